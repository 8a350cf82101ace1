#pragma once

// Intrusive doubly linked list: nodes live inside the objects they link, so linking never allocates
// and an object can leave its list in constant time without knowing which list it is on.

#include <cassert>
#include <cstddef>

namespace clearway {

namespace inspect {
struct Layout;  // reads lists from outside: see inspect/root.cpp
}

// A base class of everything that can be on one list at a time. `Tag` lets one object be on several
// lists, one per tag. Destroying a linked node unlinks it.
template <class Tag>
class ListNode {
 public:
  ListNode() noexcept = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  [[nodiscard]] bool linked() const noexcept { return next_ != nullptr; }

  // Leaves the list; does nothing when not on one.
  void unlink() noexcept {
    if (next_ == nullptr) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = nullptr;
    previous_ = nullptr;
  }

 private:
  template <class T, class U>
  friend class List;

  ListNode* next_ = nullptr;
  ListNode* previous_ = nullptr;
};

// The list itself: a ring through a sentinel. It does not own its elements; when it is destroyed
// before them they are unlinked.
template <class T, class Tag = T>
class List {
 public:
  using Node = ListNode<Tag>;

  List() noexcept { reset(); }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    while (!empty()) head_.next_->unlink();
    head_.next_ = nullptr;  // the sentinel links to itself: nothing left to unlink
  }

  [[nodiscard]] bool empty() const noexcept { return head_.next_ == &head_; }

  void push_back(T& element) noexcept {
    Node& node = element;
    assert(!node.linked());
    node.previous_ = head_.previous_;
    node.next_ = &head_;
    head_.previous_->next_ = &node;
    head_.previous_ = &node;
  }

  void push_front(T& element) noexcept {
    Node& node = element;
    assert(!node.linked());
    node.next_ = head_.next_;
    node.previous_ = &head_;
    head_.next_->previous_ = &node;
    head_.next_ = &node;
  }

  [[nodiscard]] T& front() noexcept {
    assert(!empty());
    return static_cast<T&>(*head_.next_);
  }

  T& pop_front() noexcept {
    T& element = front();
    static_cast<Node&>(element).unlink();
    return element;
  }

  // Moves every element of `other` to the end of this list, in constant time.
  void splice_back(List& other) noexcept {
    if (other.empty()) return;
    Node* first = other.head_.next_;
    Node* last = other.head_.previous_;
    other.reset();
    first->previous_ = head_.previous_;
    last->next_ = &head_;
    head_.previous_->next_ = first;
    head_.previous_ = last;
  }

  // Calls `visit` for every element; the visited element may be unlinked by it.
  template <class Visit>
  void for_each(Visit visit) {
    for (Node* node = head_.next_; node != &head_;) {
      Node* next = node->next_;
      visit(static_cast<T&>(*node));
      node = next;
    }
  }

  [[nodiscard]] std::size_t count() const noexcept {
    std::size_t total = 0;
    for (const Node* node = head_.next_; node != &head_; node = node->next_) ++total;
    return total;
  }

 private:
  void reset() noexcept { head_.next_ = head_.previous_ = &head_; }

  Node head_;
};

// The same with a head of one pointer, for objects of which there are very many: elements come to
// the front.
template <class Tag>
class StackNode {
 public:
  StackNode() noexcept = default;
  StackNode(const StackNode&) = delete;
  StackNode& operator=(const StackNode&) = delete;
  ~StackNode() { unlink(); }

  [[nodiscard]] bool linked() const noexcept { return place_ != nullptr; }
  void unlink() noexcept {
    if (place_ == nullptr) return;
    *place_ = next_;
    if (next_ != nullptr) next_->place_ = place_;
    next_ = nullptr;
    place_ = nullptr;
  }

 private:
  template <class T, class U>
  friend class Stack;
  friend struct inspect::Layout;

  StackNode* next_ = nullptr;
  StackNode** place_ = nullptr;  // what points at this node
};

template <class T, class Tag = T>
class Stack {
 public:
  using Node = StackNode<Tag>;

  Stack() noexcept = default;
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() {
    while (first_ != nullptr) first_->unlink();
  }

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

  void push(T& element) noexcept {
    Node& node = element;
    assert(!node.linked());
    node.next_ = first_;
    node.place_ = &first_;
    if (first_ != nullptr) first_->place_ = &node.next_;
    first_ = &node;
  }

  T& pop() noexcept {
    assert(!empty());
    T& element = static_cast<T&>(*first_);
    static_cast<Node&>(element).unlink();
    return element;
  }

  // The first that was pushed comes to the front.
  void reverse() noexcept {
    Stack reversed;
    while (!empty()) reversed.push(pop());
    first_ = reversed.first_;
    if (first_ != nullptr) first_->place_ = &first_;
    reversed.first_ = nullptr;
  }

  // Calls `visit` for every element; the visited element may be unlinked by it.
  template <class Visit>
  void for_each(Visit visit) const {
    for (Node* node = first_; node != nullptr;) {
      Node* next = node->next_;
      visit(static_cast<T&>(*node));
      node = next;
    }
  }

 private:
  friend struct inspect::Layout;
  Node* first_ = nullptr;
};

}  // namespace clearway
