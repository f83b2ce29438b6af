# What runs inside a `ruby` sandbox: loads the function and runs it for each call that the host sends
# over descriptor 3. Ruby 3.0 and newer.
#
# A frame is: length of the rest (4 bytes, little-endian), kind (1 byte), number of the call (4 bytes),
# payload. The host has the same table in crates/runtime-process/src/frames.rs.
require "json"
require "logger"
require "socket"

module Mayfly
  LOAD, EVENT, FORK = 1, 6, 8
  READY, REFUSED, RESULT, FAULT, LOG, DONE, ENDED, BEGUN, BOOTED = 16, 17, 21, 22, 23, 24, 26, 27, 29
  # The system call prctl and its word for hiding a process's memory.
  PRCTL = RUBY_PLATFORM.start_with?("aarch64") ? 167 : 157
  PR_SET_DUMPABLE = 4
  HOST = UNIXSocket.for_fd(3)
  HOST.close_on_exec = true
  LONGEST = 6 << 20 # of a result, in bytes
  NAMES = %w[handler lambda_handler].freeze

  # Lambda's context object.
  class Context
    attr_reader :aws_request_id, :deadline_ms, :attempt, :client_context, :identity

    def initialize(aws_request_id, deadline_ms, attempt)
      @aws_request_id = aws_request_id
      @attempt = attempt
      @deadline_ms = deadline_ms
    end

    def get_remaining_time_in_millis
      [0, @deadline_ms - (Time.now.to_f * 1000).to_i].max
    end

    class << self
      # What is the same for every call.
      attr_accessor :given
    end

    {
      function_name: "functionName", function_version: "functionVersion",
      invoked_function_arn: "invokedFunctionArn", memory_limit_in_mb: "memoryLimitInMB",
      log_group_name: "logGroupName", log_stream_name: "logStreamName"
    }.each { |name, key| define_method(name) { Context.given[key] } }
  end

  # An output whose lines go to the host's log, in order with everything else that it is told.
  class Lines < IO
    def initialize(number, level)
      super(number, "w", autoclose: false)
      @level = level
      @rest = +""
    end

    def write(*texts)
      texts.each { |text| @rest << text.to_s }
      while (line = @rest.slice!(/\A[^\n]*\n/))
        Mayfly.log(@level, line.chomp)
      end
      texts.sum { |text| text.to_s.bytesize }
    end

    def print(*texts)
      write(*texts)
      nil
    end

    def <<(text)
      write(text)
      self
    end

    def puts(*values)
      values = [""] if values.empty?
      values.flatten.each { |value| write(value.to_s.end_with?("\n") ? value.to_s : "#{value}\n") }
      nil
    end

    def printf(form, *values)
      write(format(form, *values))
      nil
    end

    def p(*values)
      values.each { |value| puts(value.inspect) }
    end

    def flush
      self
    end

    def sync
      true
    end

    def finish
      write("\n") unless @rest.empty?
    end
  end

  class << self
    attr_accessor :current

    def frame(kind, call, payload = "")
      [5 + payload.bytesize, kind, call].pack("L<CL<") << payload.b
    end

    def log(level, text)
      HOST.write(frame(LOG, current || 0, "#{level}#{text}"))
    end

    def receive
      head = HOST.read(9)
      exit!(0) if head.nil? || head.bytesize < 9
      length, kind, call = head.unpack("L<CL<")
      [kind, call, length > 5 ? HOST.read(length - 5) : ""]
    end

    # An error as the host reads it, with the stack of the function's own code.
    def described(error)
      lines = (error.backtrace || []).reject { |line| line.start_with?(__FILE__) || line.include?("<internal:") }
      # Without the lines of source that Ruby adds.
      message = error.respond_to?(:original_message) ? error.original_message : error.message
      stack = ["#{error.class}: #{message}", *lines.map { |line| "  #{line}" }].join("\n")
      { name: error.class.name, message: message, stack: stack }
    end

    def find(wanted)
      entry = wanted["entry"]
      raise LoadError, "there is no file #{entry}" unless File.exist?(entry)

      own = Object.private_instance_methods(false) + Object.public_instance_methods(false)
      require File.join(wanted["directory"], entry)
      stem = entry.delete_suffix(".rb")
      named = wanted["handler"].delete_prefix("./").delete_prefix(stem).delete_prefix(".")
      if named.include?(".")
        scope, name = named.split(".", 2)
        receiver = Object.const_get(scope)
        return receiver.method(name)
      end
      names = named.empty? ? NAMES : [named]
      scope = Object.new
      name = names.find { |candidate| scope.respond_to?(candidate, true) }
      return scope.method(name) if name

      defined = Object.private_instance_methods(false) + Object.public_instance_methods(false) - own
      raise NoMethodError, "#{entry} has no method #{names.join(" or ")} (it has #{(defined - own).join(", ").then { |d| d.empty? ? "none" : d }}): " \
                           "write `def handler(event:, context:)`"
    end

    def load(wanted)
      wanted["environment"].each { |name, value| ENV[name] = value }
      Dir.chdir(wanted["directory"])
      $LOAD_PATH.unshift(wanted["directory"])
      Context.given = wanted["context"] || {}
      bundle(wanted["directory"])
      find(wanted)
    end

    # Gems that `bundle install --path` put beside the code.
    def bundle(directory)
      Dir.glob(File.join(directory, "vendor/bundle/ruby/*")).each do |path|
        Gem.paths = { "GEM_HOME" => path, "GEM_PATH" => [path, *Gem.default_path].join(":") }
      end
    end

    def used
      times = Process.times
      ((times.utime + times.stime + times.cutime + times.cstime) * 1e6).to_i
    end

    # The memory that it has, in bytes: looked at now and then.
    def memory
      @served = (@served || -1) + 1
      @memory = File.read("/proc/self/statm").split[1].to_i * 4096 if (@served % 32).zero?
      @memory
    rescue SystemCallError
      0
    end

    def serve(handler, call, payload)
      before = used
      aws_request_id, deadline, attempt, trace, event = payload.force_encoding("UTF-8").split("\n", 5)
      begin
        ENV["_X_AMZN_TRACE_ID"] = trace unless trace.empty?
        context = Context.new(aws_request_id, deadline.to_i, attempt.to_i)
        result = handler.call(event: JSON.parse(event, max_nesting: false), context: context)
        answer =
          begin
            encoded = JSON.generate(result, max_nesting: 0)
            raise JSON::GeneratorError, "it is larger than #{LONGEST >> 20} MB" if encoded.bytesize > LONGEST

            frame(RESULT, call, encoded)
          rescue JSON::GeneratorError, SystemStackError, EncodingError => error
            what = { invalid: true, name: error.class.name, message: "the result cannot be sent: #{error.message}" }
            frame(FAULT, call, JSON.generate(what))
          end
      rescue SystemExit
        raise
      rescue Exception => error # rubocop:disable Lint/RescueException, whatever it is, it is the function's
        answer = frame(FAULT, call, JSON.generate(described(error)))
      end
      $stdout.finish
      $stderr.finish
      HOST.write(answer << frame(DONE, call, [[used - before, 0].max, memory, 0].pack("Q<Q<C")))
    end

    # Lets no fork look into this process, which stays, or into another.
    def seal
      Kernel.syscall(PRCTL, PR_SET_DUMPABLE, 0, 0, 0, 0)
    end

    # Forks whenever the host sends a socket; the fork runs the call that comes over it.
    def fork_for_each_call(handler)
      loop do
        head, _, _, *controls = HOST.recvmsg(9, 0, 4096, scm_rights: true)
        descriptor = controls.flat_map(&:unix_rights).first
        exit!(0) if head.nil? || head.bytesize < 9 || descriptor.nil?
        number = head.unpack("L<CL<").last
        pid = fork do
          # In its place, so that this process's own is out of reach.
          HOST.reopen(descriptor)
          descriptor.close
          Random.srand
          kind, call, payload = receive
          self.current = call
          if kind == EVENT
            HOST.write(frame(BEGUN, call))
            serve(handler, call, payload)
          end
          finish(0)
        rescue SystemExit => e
          finish(e.status)
        end
        descriptor.close
        _, status = Process.wait2(pid)
        HOST.write(frame(ENDED, number, [status.exitstatus || -status.termsig].pack("l<")))
      end
    end

    def finish(code)
      $stdout.finish
      $stderr.finish
      exit!(code)
    end

    def main
      $stdout = Lines.new(1, 1)
      $stderr = Lines.new(2, 3)
      HOST.sync = true
      HOST.write(frame(BOOTED, 0))
      handler = nil
      loop do
        kind, call, payload = receive
        case kind
        when LOAD
          begin
            wanted = JSON.parse(payload)
            seal if wanted["zygote"]
            handler = load(wanted)
            HOST.write(frame(READY, 0, '{"style":"event"}'))
          rescue SystemExit
            raise
          rescue Exception => error # rubocop:disable Lint/RescueException
            HOST.write(frame(REFUSED, 0, JSON.generate(described(error))))
            next
          end
          fork_for_each_call(handler) if wanted["zygote"]
        when EVENT
          self.current = call
          serve(handler, call, payload)
        end
      end
    end
  end
end

begin
  Mayfly.main
rescue SystemExit => e
  Mayfly.finish(e.status)
rescue SystemCallError
  exit!(0)
end
