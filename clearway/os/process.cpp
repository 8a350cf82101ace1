#include <clearway/os/process.hpp>

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <clearway/os/pipe.hpp>
#include <clearway/os/process_plan.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/to_thread.hpp>

namespace clearway {
namespace {

ExitStatus status_of(const siginfo_t& info) noexcept {
  return info.si_code == CLD_EXITED ? ExitStatus::exited(info.si_status)
                                    : ExitStatus::killed(info.si_status);
}

// Waits in this thread until the process has ended; leaves it to be reaped.
void wait_in_thread(pid_t pid) {
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
}

// Waits until a descriptor that is not ours to read can be read.
class ReadableAwaiter final : public detail::SocketAwaiter {
 public:
  explicit ReadableAwaiter(int descriptor) noexcept {
    kind = Kind::readable;
    handle = descriptor;
  }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> frame) {
    return !begin(frame.promise()) || submit_operation();
  }
  void await_resume() const { throw_if_cancelled(); }
};

class ReadableOperation {
 public:
  explicit ReadableOperation(int descriptor) noexcept : descriptor_(descriptor) {}
  ReadableAwaiter operator co_await() const noexcept { return ReadableAwaiter(descriptor_); }

 private:
  int descriptor_;
};

// The last lines of what a program said, for a message.
std::string end_of(const std::string& text) {
  constexpr std::size_t most = 500;
  std::string_view end(text);
  while (end.ends_with('\n')) end.remove_suffix(1);
  if (end.size() > most) end.remove_prefix(end.size() - most);
  return std::string(end);
}

}  // namespace

ProcessError::~ProcessError() = default;

std::string ExitStatus::to_string() const {
  if (signal_ == 0) return fmt::format("exit status {}", code_);
  const char* const name = ::sigabbrev_np(signal_);
  return name != nullptr ? fmt::format("ended by SIG{}", name)
                         : fmt::format("ended by signal {}", signal_);
}

// The body has ended by now: whoever is left is a program of a run that broke down.
Process::~Process() {
  if (pid_ < 0) return;
  if (!status_) signal_group(SIGKILL);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
  }
}

Task<> Process::start(Process& process, detail::ProcessPlan plan) {
  if (Loop::current().driver().simulated()) {
    throw UsageError("a simulated world has no processes");
  }
  process.name_ = plan.name;
  process.group_ = plan.group;
  const std::string name = plan.name;
  detail::SpawnedProcess child = co_await to_thread(detail::spawn, std::move(plan));
  process.pid_ = child.pid;
  // Debian 12's <sys/pidfd.h> cannot be linked from C++. Without pidfds (an old kernel, a sandbox)
  // wait() takes a thread.
  process.watch_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  const auto stream = [&](Descriptor input, Descriptor output, std::string_view which) {
    return pipe_stream(std::move(input), std::move(output),
                       fmt::format("the {} of \"{}\"", which, name));
  };
  if (child.input.valid()) process.input_ = stream({}, std::move(child.input), "input");
  if (child.output.valid()) process.output_ = stream(std::move(child.output), {}, "output");
  if (child.errors.valid()) process.errors_ = stream(std::move(child.errors), {}, "error output");
}

// The zombie stays until the Process goes, so that its number and its group's remain its own.
Task<ExitStatus> Process::wait() {
  while (!status_) {
    if (pid_ < 0) throw ProcessError(fmt::format("cannot wait for \"{}\": it is gone", name_));
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | WNOHANG) != 0) {
      const int code = errno;
      if (code == ECHILD) pid_ = -1;  // its number may be somebody else's by now
      throw ProcessError(
          fmt::format("cannot wait for \"{}\": {}; does this program ignore SIGCHLD, or wait for "
                      "all children?",
                      name_, system_message(code)),
          code);
    }
    if (info.si_pid == pid_) {
      status_ = status_of(info);
    } else if (watch_.valid()) {
      co_await ReadableOperation(watch_.get());
    } else {
      co_await to_thread(abandonable, wait_in_thread, pid_);
    }
  }
  co_return *status_;
}

void Process::signal(int number) const noexcept {
  if (pid_ > 0 && !status_) ::kill(pid_, number);
}

void Process::signal_group(int number) const noexcept {
  if (pid_ < 0) return;
  const bool told = ::kill(group_ ? -pid_ : pid_, number) == 0;
  if (!told && group_ && !status_) ::kill(pid_, number);  // it has left its group
}

Task<> Process::finish(Duration grace) {
  if (pid_ < 0) co_return;
  input_.close();
  if (!status_) {
    signal_group(SIGTERM);
    signal_group(SIGCONT);  // one that is stopped would not hear
    auto in_time = co_await move_on_after(grace, wait());
    static_cast<void>(in_time);
    signal_group(SIGKILL);
    output_.close();  // one that may not be killed sees a broken pipe
    errors_.close();
    co_await wait();
  }
  output_.close();
  errors_.close();
}

Command& Command::argument(std::string text) {
  line_.push_back(std::move(text));
  return *this;
}
Command& Command::directory(std::string path) {
  directory_ = std::move(path);
  return *this;
}
Command& Command::variable(std::string name, std::string value) {
  variables_.insert_or_assign(std::move(name), std::move(value));
  return *this;
}
Command& Command::clear_environment() {
  own_environment_ = false;
  return *this;
}
Command& Command::input(std::string text) {
  input_ = std::move(text);
  return *this;
}
Command& Command::limit(std::size_t bytes) {
  limit_ = bytes;
  return *this;
}
Command& Command::grace(Duration length) {
  grace_ = length;
  return *this;
}

std::string Command::to_string() const { return fmt::format("{}", fmt::join(line_, " ")); }

Task<> Command::launch(Process& process, bool input, bool output) const {
  detail::ProcessPlan plan;
  plan.name = to_string();
  plan.line = line_;
  plan.directory = directory_;
  plan.environment = detail::make_environment(own_environment_, variables_);
  plan.input = input;
  plan.output = output;
  // In a group of its own it might not read from the terminal.
  plan.group = input || ::isatty(STDIN_FILENO) == 0;
  return Process::start(process, std::move(plan));
}

namespace {

Task<> feed(Stream& into, std::string text) {
  const auto written = co_await as_result(into.write(std::move(text)));
  static_cast<void>(written);  // a program need not read what it is given
  into.close();
}

Task<std::string> read_output(Stream& from, std::size_t limit, std::string name) {
  try {
    co_return co_await from.read_all(limit);
  } catch (const LimitExceeded&) {
    throw ProcessError(
        fmt::format("\"{}\" wrote more than {} bytes; the limit is Command::limit()", name, limit));
  }
}

}  // namespace

Task<ExitStatus> Command::run() const { return run_to_the_end(*this); }
Task<Completed> Command::output() const { return collect(*this); }
Task<std::string> Command::text() const { return must_succeed(*this); }

Task<ExitStatus> Command::run_to_the_end(Command command) {
  Process process;
  co_await command.launch(process, command.input_.has_value(), false);
  const auto attend = [&]() -> Task<ExitStatus> {
    if (command.input_) co_await feed(process.input(), std::move(*command.input_));
    co_return co_await process.wait();
  };
  co_return co_await finally(attend(), [&] { return process.finish(command.grace_); });
}

Task<Completed> Command::collect(Command command) {
  Process process;
  co_await command.launch(process, command.input_.has_value(), true);
  Completed result;
  const std::string name = command.to_string();
  const auto attend = [&]() -> Task<> {
    std::string text = command.input_ ? std::move(*command.input_) : std::string();
    const auto write = [&]() -> Task<> {
      if (command.input_) co_await feed(process.input(), std::move(text));
    };
    auto [fed, output, errors] =
        co_await gather(write(), read_output(process.output(), command.limit_, name),
                        read_output(process.errors(), command.limit_, name));
    result.output = std::move(output);
    result.errors = std::move(errors);
    result.status = co_await process.wait();
  };
  co_await finally(attend(), [&] { return process.finish(command.grace_); });
  co_return result;
}

Task<std::string> Command::must_succeed(Command command) {
  const std::string name = command.to_string();
  Completed done = co_await collect(std::move(command));
  if (!done.status.success()) {
    const std::string said = end_of(done.errors.empty() ? done.output : done.errors);
    throw ProcessError(fmt::format("\"{}\" failed: {}{}{}", name, done.status.to_string(),
                                   said.empty() ? "" : "; it said: ", said));
  }
  co_return std::move(done.output);
}

}  // namespace clearway
