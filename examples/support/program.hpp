#pragma once

// What every example needs around its work: its command line, the bundled server, its exit status.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <clearway/task/task.hpp>

namespace example {

// The command line of one program. `--help` comes by itself.
class CommandLine {
 public:
  CommandLine(std::string_view name, std::string_view description);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  // The present value is the default.
  CommandLine& option(const std::string& name, std::string& value, const std::string& help);
  CommandLine& option(const std::string& name, int& value, int least, int most,
                      const std::string& help);
  CommandLine& option(const std::string& name, double& value, double least, double most,
                      const std::string& help);
  // Of a fixed set, separated by commas.
  CommandLine& choices(const std::string& name, std::vector<std::string>& values,
                       const std::vector<std::string>& among, const std::string& help);
  CommandLine& positional(const std::string& name, std::vector<std::string>& values,
                          const std::string& help);

  // The exit status when the program is to end here: 0 after --help, 1 after a mistake, which was
  // explained in one line on standard error.
  [[nodiscard]] std::optional<int> parse(int argc, char** argv);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// The server that the examples talk to unless they are pointed at another one: a process of its
// own, ended with this object.
class StandIn {
 public:
  // `base_url` as given; when it is empty the server is started, and it becomes the server's URL.
  // Throws clearway::Error when it cannot be started.
  explicit StandIn(std::string& base_url);
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;
  ~StandIn();

 private:
  int process_ = -1;
};

// Runs `amain()`. Gives the exit status: 0; 1 after an error, which is explained in one line on
// standard error; 130 after Ctrl-C.
int run(std::string_view name, const std::function<clearway::Task<>()>& amain);

}  // namespace example
