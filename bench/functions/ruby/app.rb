# What `process-hello` measures in Ruby; the counter tells how many answers its process gave.
$answers = 0

def handler(event:, context:)
  $answers += 1
  segment = event["rawPath"].rpartition("/").last
  { statusCode: 200, headers: { "content-type" => "text/plain" }, body: "hello #{segment} #{$answers}\n" }
end
