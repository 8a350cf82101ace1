// res_query, res_search and their thread-safe forms, which the libraries of Kerberos and LDAP call:
// in a thread.

#include <netdb.h>
#include <resolv.h>
#include <clearway/fiber_hooks/offload.hpp>
#include <clearway/fiber_hooks/real.hpp>
#include <clearway/fiber_hooks/self_test.hpp>

namespace clearway::hooks {
namespace {

using Query = int(const char*, int, int, unsigned char*, int);
using StateQuery = int(res_state, const char*, int, int, unsigned char*, int);

constinit Real<Query> real_query("res_query");
constinit Real<Query> real_search("res_search");
constinit Real<StateQuery> real_nquery("res_nquery");
constinit Real<StateQuery> real_nsearch("res_nsearch");

// The answer is the caller's memory, so the thread is waited for.
template <class Call>
int ask(Call call) noexcept {
  if (place() != FiberHost::on_fiber) return call();
  int error = 0;
  int size = -1;
  int problem = 0;
  const auto make = [&] {
    size = call();
    problem = h_errno;
  };
  if (call_in_thread(make, false, error) == nullptr) {
    if (error == EAGAIN) return call();
    h_errno = TRY_AGAIN;
    return fail(error);
  }
  h_errno = problem;
  return size;
}

}  // namespace

void resolve_queries() {
  static_cast<void>(real_query.get());
  static_cast<void>(real_search.get());
  static_cast<void>(real_nquery.get());
  static_cast<void>(real_nsearch.get());
}

}  // namespace clearway::hooks

using namespace clearway::hooks;

CLEARWAY_HOOK int res_query(const char* name, int group, int type, unsigned char* answer,
                            int size) noexcept {
  return ask([=] { return real_query(name, group, type, answer, size); });
}

CLEARWAY_HOOK int res_search(const char* name, int group, int type, unsigned char* answer,
                             int size) noexcept {
  return ask([=] { return real_search(name, group, type, answer, size); });
}

CLEARWAY_HOOK int res_nquery(res_state state, const char* name, int group, int type,
                             unsigned char* answer, int size) noexcept {
  return ask([=] { return real_nquery(state, name, group, type, answer, size); });
}

CLEARWAY_HOOK int res_nsearch(res_state state, const char* name, int group, int type,
                              unsigned char* answer, int size) noexcept {
  return ask([=] { return real_nsearch(state, name, group, type, answer, size); });
}
