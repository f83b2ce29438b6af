# Greets in HTML, with what Ruby brings along: curl 'URL?name=World'
require "erb"

PAGE = ERB.new(<<~HTML)
  <!doctype html>
  <h1>Hello, <%= ERB::Util.html_escape(name) %></h1>
  <p>from Ruby <%= RUBY_VERSION %>, for <%= context.get_remaining_time_in_millis / 1000 %> more seconds</p>
HTML

def handler(event:, context:)
  name = event.dig("queryStringParameters", "name") || "World"
  { statusCode: 200, headers: { "content-type" => "text/html; charset=utf-8" }, body: PAGE.result(binding) }
end
