// libpq CONNECTION_STRING COUNT [threads]: connects and asks the server to sleep for 0.3 s.

#include <memory>

#include <postgresql/libpq-fe.h>

#include "harness.hpp"

namespace {

void query(const std::string& where) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(where.c_str()),
                                                                PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    libraries::fail(PQerrorMessage(connection.get()));
  }
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(
      PQexec(connection.get(), "select 42 from pg_sleep(0.3)"), PQclear);
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK ||
      std::string(PQgetvalue(result.get(), 0, 0)) != "42") {
    libraries::fail(PQerrorMessage(connection.get()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 1;
  const std::string where = argv[1];
  return libraries::run_calls(argv + 2, [&](int) { query(where); });
}
