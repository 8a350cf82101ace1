// sqlite FILE COUNT [threads]: writers that wait for one another, each with a connection of its
// own, each holding the lock for a while.

#include <memory>

#include <sqlite3.h>
#include <unistd.h>

#include "harness.hpp"

namespace {

void execute(sqlite3* database, const char* statement) {
  if (sqlite3_exec(database, statement, nullptr, nullptr, nullptr) != SQLITE_OK) {
    libraries::fail(sqlite3_errmsg(database));
  }
}

void write_row(const std::string& path, useconds_t hold) {
  sqlite3* database = nullptr;
  sqlite3_open(path.c_str(), &database);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> owner(database, sqlite3_close);
  sqlite3_busy_timeout(database, 60'000);
  execute(database, "begin immediate");
  execute(database, "insert into numbers values (1)");
  // The lock is held while other fibers run: they find it taken and wait in the busy handler.
  ::usleep(hold);
  execute(database, "commit");
}

int count_rows(const std::string& path) {
  sqlite3* database = nullptr;
  sqlite3_open(path.c_str(), &database);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> owner(database, sqlite3_close);
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(database, "select count(*) from numbers", -1, &statement, nullptr);
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> end(statement, sqlite3_finalize);
  return sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int(statement, 0) : -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 1;
  const std::string path = argv[1];
  const int count = std::atoi(argv[2]);
  sqlite3* database = nullptr;
  if (sqlite3_open(path.c_str(), &database) != SQLITE_OK) return 1;
  sqlite3_exec(
      database,
      "pragma journal_mode = wal; drop table if exists numbers; create table numbers (number)",
      nullptr, nullptr, nullptr);
  sqlite3_close(database);
  const int status = libraries::run_calls(argv + 2, [&](int) { write_row(path, 2'000); });
  return status != 0 ? status : count_rows(path) == count ? 0 : 3;
}
