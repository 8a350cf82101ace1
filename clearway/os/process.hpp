#pragma once

// Other programs, as children that never outlive the block that started them.
//
//   const Completed log = co_await Command("git", "log", "-n1").output();
//   if (log.status.success()) fmt::print("{}", log.output);
//
//   co_await Command("tail", "-f", path).start([](Process& tail) -> Task<> {
//     while (auto line = co_await tail.output().read_line()) fmt::print("{}\n", *line);
//   });
//
// A child is the leader of a process group of its own, unless it reads from this program's
// terminal. When the work around it is cancelled, by a timeout() or by hand, the whole group gets
// SIGTERM, and what is left of it SIGKILL after a grace period; the child is always waited for, so
// there are no zombies.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>
#include <clearway/base/descriptor.hpp>
#include <clearway/base/error.hpp>
#include <clearway/net/stream.hpp>
#include <clearway/task/timeout.hpp>

namespace clearway {

namespace detail {
struct ProcessPlan;
}

// A program could not be started, or ended otherwise than it should.
class ProcessError : public Error {
 public:
  explicit ProcessError(const std::string& message, int code = 0) : Error(message), code_(code) {}
  ~ProcessError() override;
  // The errno value when it could not be started; 0 otherwise.
  [[nodiscard]] int code() const noexcept { return code_; }

 private:
  int code_;
};

// How a process ended.
class ExitStatus {
 public:
  ExitStatus() noexcept = default;
  static ExitStatus exited(int code) noexcept { return {code, 0}; }
  static ExitStatus killed(int signal) noexcept { return {0, signal}; }

  [[nodiscard]] bool success() const noexcept { return code_ == 0 && signal_ == 0; }
  // 0 to 255; 128 plus the signal when one ended it, as shells say.
  [[nodiscard]] int code() const noexcept { return signal_ != 0 ? 128 + signal_ : code_; }
  // 0 when no signal ended it.
  [[nodiscard]] int signal() const noexcept { return signal_; }
  // "exit status 3", "ended by SIGKILL".
  [[nodiscard]] std::string to_string() const;

 private:
  ExitStatus(int code, int signal) noexcept : code_(code), signal_(signal) {}
  int code_ = 0;
  int signal_ = 0;
};

// What a program said, and how it ended.
struct Completed {
  Completed() = default;
  ExitStatus status;
  std::string output;
  std::string errors;
};

// A program that runs. It is made by Command::start() and lives until the body has ended.
class Process {
 public:
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  // Its standard input, output and error output. Close the input to end it.
  [[nodiscard]] Stream& input() noexcept { return input_; }
  [[nodiscard]] Stream& output() noexcept { return output_; }
  [[nodiscard]] Stream& errors() noexcept { return errors_; }
  // Waits until it has ended. Cancelling this wait leaves it running.
  Task<ExitStatus> wait();
  // Sends a signal to the process, or to its whole group; does nothing when it has ended.
  void signal(int number) const noexcept;
  void signal_group(int number) const noexcept;

 private:
  friend class Command;

  Process() noexcept = default;
  static Task<> start(Process& process, detail::ProcessPlan plan);
  // Ends the group, and waits.
  Task<> finish(Duration grace);

  pid_t pid_ = -1;
  bool group_ = true;
  Descriptor watch_;  // a pidfd
  std::optional<ExitStatus> status_;
  std::string name_;
  Stream input_;
  Stream output_;
  Stream errors_;
};

// A program and how to run it. A value: every run copies it.
class Command {
 public:
  // The program is looked for in PATH, unless it holds a '/'; there is no shell in between.
  template <class... Argument>
  explicit Command(std::string program, Argument&&... arguments) {
    line_.reserve(1 + sizeof...(arguments));
    line_.push_back(std::move(program));
    (line_.emplace_back(std::forward<Argument>(arguments)), ...);
  }
  explicit Command(std::vector<std::string> line) : line_(std::move(line)) {}

  Command& argument(std::string text);
  // Where it runs; the program's own directory otherwise.
  Command& directory(std::string path);
  // Sets a variable of its environment, which is this program's otherwise.
  Command& variable(std::string name, std::string value);
  Command& clear_environment();
  // What it reads from its standard input, for run(), output() and text(); this program's
  // otherwise.
  Command& input(std::string text);
  // The most bytes that output() and text() take of each stream; 64 MiB otherwise. More than that
  // is a ProcessError, and ends it.
  Command& limit(std::size_t bytes);
  // How long a cancelled group has between SIGTERM and SIGKILL; 2 s otherwise.
  Command& grace(Duration length);

  // Runs it with this program's streams. Throws ProcessError when it cannot be started.
  Task<ExitStatus> run() const;
  // Runs it and gives what it wrote.
  Task<Completed> output() const;
  // The same, of a program that must succeed; otherwise ProcessError with the end of what it said.
  Task<std::string> text() const;
  // Runs `body(process)` beside it, with pipes to its three streams. When the body has ended the
  // process is ended too; wait() in the body for one that ends by itself.
  template <class F>
    requires std::is_invocable_v<F&, Process&>
  auto start(F body) const {
    return start_with<await_result_t<std::invoke_result_t<F&, Process&>>, F>(*this,
                                                                             std::move(body));
  }

  // "git log -n1", for messages.
  [[nodiscard]] std::string to_string() const;

 private:
  template <class T, class F>
  static Task<T> start_with(Command command, F body) {
    Process process;
    co_await command.launch(process, true, true);
    co_return co_await finally(std::invoke(body, process),
                               [&] { return process.finish(command.grace_); });
  }
  // With pipes to its input, and from its outputs, or with this program's own streams.
  Task<> launch(Process& process, bool input, bool output) const;
  static Task<ExitStatus> run_to_the_end(Command command);
  static Task<Completed> collect(Command command);
  static Task<std::string> must_succeed(Command command);

  std::vector<std::string> line_;
  std::string directory_;
  bool own_environment_ = true;
  std::map<std::string, std::string> variables_;
  std::optional<std::string> input_;
  std::size_t limit_ = std::size_t{64} << 20;
  Duration grace_ = std::chrono::seconds(2);
};

}  // namespace clearway
