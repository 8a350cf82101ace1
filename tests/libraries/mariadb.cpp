// mariadb PORT COUNT [threads]: connects over TCP and asks the server to sleep for 0.3 s.

#include <memory>

#include <mariadb/mysql.h>

#include "harness.hpp"

namespace {

void query(int port) {
  const std::unique_ptr<MYSQL, decltype(&mysql_close)> connection(mysql_init(nullptr), mysql_close);
  if (mysql_real_connect(connection.get(), "127.0.0.1", "tester", "tester", nullptr,
                         static_cast<unsigned>(port), nullptr, 0) == nullptr ||
      mysql_query(connection.get(), "select 42 + sleep(0.3)") != 0) {
    libraries::fail(mysql_error(connection.get()));
  }
  const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(
      mysql_store_result(connection.get()), mysql_free_result);
  MYSQL_ROW const row = result == nullptr ? nullptr : mysql_fetch_row(result.get());
  if (row == nullptr || std::atoi(row[0]) != 42) libraries::fail(mysql_error(connection.get()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 1;
  const int port = std::atoi(argv[1]);
  mysql_library_init(0, nullptr, nullptr);
  return libraries::run_calls(argv + 2, [&](int) { query(port); });
}
