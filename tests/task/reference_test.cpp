// Tasks that give references, in every combinator.

#include <functional>
#include <string>
#include <vector>

#include <clearway/base/error.hpp>
#include <clearway/task/gather.hpp>
#include <clearway/task/local.hpp>
#include <clearway/task/race.hpp>
#include <clearway/task/sleep.hpp>
#include <clearway/task/task_group.hpp>
#include <clearway/task/to_thread.hpp>
#include <clearway/task/with_scope.hpp>
#include <tests/support/worlds.hpp>

namespace clearway {
namespace {

using namespace std::chrono_literals;
using tests::on_both_drivers;

// Cannot be copied: a copy on the way would not compile.
struct Account {
  explicit Account(int money) : money(money) {}
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;
  int money;
};

Task<Account&> find(Account& account) {
  co_await yield();
  co_return account;
}
Task<const Account&> look(Account& account) {
  co_await yield();
  co_return account;
}
Task<Account&> fail() {
  co_await yield();
  throw Error("no such account");
}
Task<Account&> find_late(Account& account) {
  co_await sleep(std::chrono::hours(1000));
  co_return account;
}

TEST(References, PassThroughTheCombinatorsOfOneTask) {
  on_both_drivers([]() -> Task<> {
    Account account(0);
    const TaskLocal<int> depth("depth");
    const auto nothing = []() -> Task<> { co_await yield(); };
    Account& timed = co_await timeout(1h, find(account));
    EXPECT_EQ(&timed, &account);
    Account& shielding = co_await shielded(find(account));
    EXPECT_EQ(&shielding, &account);
    Account& cleaned = co_await finally(find(account), nothing);
    EXPECT_EQ(&cleaned, &account);
    Account& local = co_await with_value(depth, 1, find(account));
    EXPECT_EQ(&local, &account);
    const Account& constant = co_await finally(look(account), nothing);
    EXPECT_EQ(&constant, &account);
    EXPECT_THROW(co_await finally(fail(), nothing), Error);
  });
}

TEST(References, AreKeptInWrappers) {
  on_both_drivers([]() -> Task<> {
    Account account(0);
    auto result = co_await as_result(find(account));
    EXPECT_EQ(&result.value().get(), &account);
    const auto failed = co_await as_result(fail());
    EXPECT_EQ(failed.message(), "no such account");

    const auto moved = co_await move_on_after(1h, find(account));
    EXPECT_EQ(&moved.value().get(), &account);
    const auto late = co_await move_on_after(1ms, find_late(account));
    EXPECT_FALSE(late.has_value());

    auto body = [&](CancelScope&) { return find(account); };
    const auto scoped = co_await with_scope(body);
    EXPECT_EQ(&scoped.value().get(), &account);

    const auto [first, second] = co_await race(find_late(account), look(account));
    EXPECT_FALSE(first.has_value());
    EXPECT_EQ(&second.value().get(), &account);
  });
}

TEST(References, OfSeveralTasks) {
  on_both_drivers([]() -> Task<> {
    Account one(1);
    Account two(2);
    const auto [first, second] = co_await gather(find(one), look(two));
    first.get().money += 10;
    EXPECT_EQ(one.money, 11);
    EXPECT_EQ(&second.get(), &two);

    const std::vector<Account*> accounts{&one, &two};
    const auto find_each = [](Account* account) { return find(*account); };
    const auto all = co_await gather(accounts, find_each);
    for (Account& account : all) ++account.money;
    EXPECT_EQ(one.money + two.money, 15);

    int sum = 0;
    co_await as_completed(accounts, find_each, [&](Account& account) { sum += account.money; });
    EXPECT_EQ(sum, 15);
  });
}

TEST(References, OfChildrenGroupsAndThreads) {
  on_both_drivers([]() -> Task<> {
    Account account(0);
    const auto start = [&](TaskGroup& group) -> Task<Account&> {
      const auto handle = group.start(find, std::ref(account));
      Account& named = co_await handle;
      EXPECT_EQ(&named, &account);
      Account& temporary = co_await group.start(find, std::ref(account));
      EXPECT_EQ(&temporary, &account);
      co_return account;
    };
    Account& given = co_await task_group(start);
    EXPECT_EQ(&given, &account);
    const auto pick = [&]() -> Account& { return account; };
    Account& picked = co_await to_thread(pick);
    EXPECT_EQ(&picked, &account);
  });
}

TEST(References, CancellationExhaustion) {
  sim::exhaust_cancellation([](sim::Stage& stage) -> Task<> {
    Account account(0);
    const auto nothing = []() -> Task<> { co_await yield(); };
    const auto several = [&]() -> Task<Account&> {
      co_await gather(find(account), race(find(account), find_late(account)));
      Account& found = co_await finally(timeout(1s, find(account)), nothing);
      co_return found;
    };
    const auto outcome = co_await stage.run(several());
    EXPECT_TRUE(!outcome.has_value() || &outcome->get() == &account);
  });
}

}  // namespace
}  // namespace clearway
