# Does not hear that it shall end, whatever tells it so.
def handler(event:, context:)
  (1..64).each { |signal| Signal.trap(signal, "IGNORE") rescue nil }
  return Process.pid if event["pid"]
  loop { }
end
