#include "program.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>

#include <clearway/clearway.hpp>

namespace example {

struct CommandLine::Parser {
  CLI::App app;
  std::string name;
};

CommandLine::CommandLine(std::string_view name, std::string_view description)
    : parser_(std::make_unique<Parser>()) {
  parser_->name = name;
  parser_->app.name(std::string(name));
  parser_->app.description(std::string(description));
}

CommandLine::~CommandLine() = default;

CommandLine& CommandLine::option(const std::string& name, std::string& value,
                                 const std::string& help) {
  parser_->app.add_option(name, value, help)->capture_default_str();
  return *this;
}

CommandLine& CommandLine::option(const std::string& name, int& value, int least, int most,
                                 const std::string& help) {
  parser_->app.add_option(name, value, help)->check(CLI::Range(least, most))->capture_default_str();
  return *this;
}

CommandLine& CommandLine::option(const std::string& name, double& value, double least, double most,
                                 const std::string& help) {
  parser_->app.add_option(name, value, help)->check(CLI::Range(least, most))->capture_default_str();
  return *this;
}

CommandLine& CommandLine::choices(const std::string& name, std::vector<std::string>& values,
                                  const std::vector<std::string>& among, const std::string& help) {
  parser_->app.add_option(name, values, help)->delimiter(',')->check(CLI::IsMember(among));
  return *this;
}

CommandLine& CommandLine::positional(const std::string& name, std::vector<std::string>& values,
                                     const std::string& help) {
  parser_->app.add_option(name, values, help);
  return *this;
}

std::optional<int> CommandLine::parse(int argc, char** argv) {
  try {
    parser_->app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::fputs(parser_->app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "%s: %s (--help says what there is)\n", parser_->name.c_str(),
                 error.what());
    return 1;
  }
}

namespace {

clearway::Task<int> guarded(std::string name, std::function<clearway::Task<>()> amain) {
  try {
    co_await amain();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), error.what());
    co_return 1;
  }
  co_return 0;
}

}  // namespace

int run(std::string_view name, const std::function<clearway::Task<>()>& amain) {
  // A pipe or file gets whole lines as they come, as a terminal does.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  return clearway::run_main(guarded(std::string(name), amain));
}

}  // namespace example
