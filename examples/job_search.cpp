// Several queries at once, one flat list.

#include <fmt/format.h>
#include <clearway/clearway.hpp>
#include <clearway/http.hpp>
#include <clearway/json.hpp>

#include "support/program.hpp"

using namespace clearway;

struct Job {
  std::string language;
  std::string title;
  std::string company;
};

Task<std::vector<Job>> job_search(http::Session& session, std::string language) {
  auto found = co_await session.get("/jobs").query("q", language).json();
  std::vector<Job> jobs;
  for (const auto& job : found) jobs.push_back({language, job["title"], job["company"]});
  co_return jobs;
}

Task<> amain(std::string base_url, std::vector<std::string> languages) {
  http::Session session(base_url);
  auto lists = co_await gather(
      languages, [&](std::string& language) { return job_search(session, language); });
  for (const auto& list : lists) {
    for (const Job& job : list) fmt::print("{}: {}, {}\n", job.language, job.title, job.company);
  }
}

int main(int argc, char** argv) {
  std::string base_url;
  std::vector<std::string> languages;
  example::CommandLine command_line("job_search",
                                    "Searches for jobs in several languages at once.");
  command_line.option("--base-url", base_url, "where the jobs are (default: a bundled server)")
      .positional("language", languages, "what to search for (default: python javascript clojure)");
  if (const auto status = command_line.parse(argc, argv)) return *status;
  if (languages.empty()) languages = {"python", "javascript", "clojure"};
  return example::run("job_search", [&]() -> Task<> {
    const example::StandIn stand_in(base_url);
    co_await amain(base_url, languages);
  });
}
