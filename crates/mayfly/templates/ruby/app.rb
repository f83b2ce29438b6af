# Every request to the app comes here. With a Gemfile beside it, write `code = "."`.
def handler(event:, context:)
  name = event.dig("queryStringParameters", "name") || "world"
  puts "#{event["requestContext"]["http"]["method"]} #{event["rawPath"]}"
  { message: "#{ENV["GREETING"]}, #{name}!", "milliseconds left": context.get_remaining_time_in_millis }
end
