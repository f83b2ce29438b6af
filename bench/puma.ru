# The yardstick *puma*: a Rack app without a framework, answering what bench/functions/ruby does.
answers = 0

run lambda { |env|
  answers += 1
  segment = env["PATH_INFO"].rpartition("/").last
  [200, { "content-type" => "text/plain" }, ["hello #{segment} #{answers}\n"]]
}
