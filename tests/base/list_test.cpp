// List and Stack: linked through their elements.

#include <clearway/base/list.hpp>

#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

namespace clearway {
namespace {

struct OtherTag;

struct Item : ListNode<Item>, ListNode<OtherTag>, StackNode<Item> {
  explicit Item(int number) : number(number) {}
  int number;
};

std::vector<int> numbers(List<Item>& list) {
  std::vector<int> result;
  list.for_each([&](Item& item) { result.push_back(item.number); });
  return result;
}
std::vector<int> numbers(const Stack<Item>& stack) {
  std::vector<int> result;
  stack.for_each([&](Item& item) { result.push_back(item.number); });
  return result;
}
using Numbers = std::vector<int>;

TEST(List, KeepsTheOrderOfBothEnds) {
  Item one(1);
  Item two(2);
  Item three(3);
  List<Item> list;
  EXPECT_TRUE(list.empty());
  list.push_back(two);
  list.push_back(three);
  list.push_front(one);
  EXPECT_EQ(numbers(list), Numbers({1, 2, 3}));
  EXPECT_EQ(list.count(), 3U);
  EXPECT_EQ(list.front().number, 1);
  EXPECT_EQ(list.pop_front().number, 1);
  EXPECT_FALSE(one.ListNode<Item>::linked());
  EXPECT_EQ(numbers(list), Numbers({2, 3}));
}

TEST(List, AnElementLeavesFromAnywhereAndWhenItIsDestroyed) {
  Item one(1);
  std::optional<Item> two(2);
  Item three(3);
  List<Item> list;
  for (Item* item : {&one, &*two, &three}) list.push_back(*item);
  two.reset();
  EXPECT_EQ(numbers(list), Numbers({1, 3}));
  three.ListNode<Item>::unlink();
  three.ListNode<Item>::unlink();  // does nothing
  one.ListNode<Item>::unlink();
  EXPECT_TRUE(list.empty());
}

TEST(List, OneElementIsOnOneListPerTag) {
  Item item(1);
  List<Item> first;
  List<Item, OtherTag> second;
  first.push_back(item);
  second.push_back(item);
  EXPECT_EQ(&first.pop_front(), &item);
  EXPECT_FALSE(second.empty());
}

TEST(List, SplicesAndLeavesItsElementsAlone) {
  Item one(1);
  Item two(2);
  Item three(3);
  {
    List<Item> list;
    List<Item> other;
    list.splice_back(other);
    EXPECT_TRUE(list.empty());
    list.push_back(one);
    other.push_back(two);
    other.push_back(three);
    list.splice_back(other);
    EXPECT_TRUE(other.empty());
    EXPECT_EQ(numbers(list), Numbers({1, 2, 3}));
  }
  EXPECT_FALSE(one.ListNode<Item>::linked()) << "the list is gone";
  EXPECT_FALSE(three.ListNode<Item>::linked());
}

TEST(List, TheVisitedMayLeave) {
  Item one(1);
  Item two(2);
  List<Item> list;
  list.push_back(one);
  list.push_back(two);
  list.for_each([](Item& item) { item.ListNode<Item>::unlink(); });
  EXPECT_TRUE(list.empty());
}

TEST(Stack, TheLatestComesFirst) {
  Item one(1);
  Item two(2);
  Item three(3);
  Stack<Item> stack;
  EXPECT_TRUE(stack.empty());
  for (Item* item : {&one, &two, &three}) stack.push(*item);
  EXPECT_EQ(numbers(stack), Numbers({3, 2, 1}));
  EXPECT_EQ(stack.pop().number, 3);
  EXPECT_FALSE(three.StackNode<Item>::linked());
  EXPECT_EQ(numbers(stack), Numbers({2, 1}));
}

TEST(Stack, Reverses) {
  Item one(1);
  Item two(2);
  Item three(3);
  Stack<Item> stack;
  stack.reverse();
  EXPECT_TRUE(stack.empty());
  for (Item* item : {&one, &two, &three}) stack.push(*item);
  stack.reverse();
  EXPECT_EQ(numbers(stack), Numbers({1, 2, 3}));
  one.StackNode<Item>::unlink();  // the new first: the head follows
  EXPECT_EQ(numbers(stack), Numbers({2, 3}));
}

TEST(Stack, AnElementLeavesFromAnywhereAndTheStackBeforeItsElements) {
  Item one(1);
  std::optional<Item> two(2);
  Item three(3);
  {
    Stack<Item> stack;
    for (Item* item : {&one, &*two, &three}) stack.push(*item);
    two.reset();
    EXPECT_EQ(numbers(stack), Numbers({3, 1}));
    stack.for_each([](Item& item) { item.StackNode<Item>::unlink(); });
    EXPECT_TRUE(stack.empty());
    stack.push(one);
    stack.push(three);
  }
  EXPECT_FALSE(one.StackNode<Item>::linked());
  EXPECT_FALSE(three.StackNode<Item>::linked());
}

}  // namespace
}  // namespace clearway
