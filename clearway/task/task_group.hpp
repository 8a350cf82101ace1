#pragma once

// Tasks that are started while others run, and never outlive the block that they belong to.
//
//   co_await task_group([&](TaskGroup& group) -> Task<> {
//     auto pinger = group.start(ping_everyone, std::ref(room));
//     while (auto guest = co_await arrivals.get()) group.start(talk_to, std::ref(room), *guest);
//     pinger.cancel();
//   });   // every child has ended here
//
// The first error, of the body or of a child, cancels the others and is thrown when all have ended.

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>

#include <clearway/task/join.hpp>
#include <clearway/task/timeout.hpp>
#include <clearway/task/waiter.hpp>

namespace clearway {

class TaskGroup;

namespace detail {

// One child of a group: what it runs, its scope and its outcome. Shared by the group, while the
// child runs, and by handles.
class ChildBase : public Ready, public CancelScope {
 public:
  // A handle that waits for the child.
  struct Joiner : StackNode<Joiner> {
    virtual void child_ended() noexcept = 0;

   protected:
    ~Joiner() = default;
  };

  static void* operator new(std::size_t size) { return frame_memory::allocate(size); }
  static void operator delete(void* block, std::size_t size) noexcept {
    frame_memory::release(block, size);
  }

  explicit ChildBase(Site site) noexcept : CancelScope(Kind::child), site_(site) {}
  virtual ~ChildBase() = default;

  [[nodiscard]] std::uint32_t references() const noexcept { return references_; }
  void retain() noexcept { ++references_; }
  void drop() noexcept {
    if (--references_ == 0) delete this;
  }
  void cancel() noexcept {
    if (!ended()) CancelScope::cancel();
  }
  [[nodiscard]] bool ended() const noexcept { return ended_ != 0; }
  void wait(Joiner& joiner) noexcept { joiners_.push(joiner); }
  void set_name(std::string name) { name_ = std::make_unique<std::string>(std::move(name)); }

  // Its frame has finished. Gives the frame to resume next, or null.
  PromiseBase* finish(TaskGroup& group) noexcept;
  [[nodiscard]] Site site() const noexcept { return site_; }
  [[nodiscard]] const char* name() const noexcept {
    return name_ == nullptr || name_->empty() ? nullptr : name_->c_str();
  }

 protected:
  friend class clearway::TaskGroup;
  virtual PromiseBase& promise() noexcept = 0;
  // Moves the outcome out of the frame and destroys it.
  virtual void conclude() noexcept = 0;

 private:
  friend struct inspect::Layout;
  void run() final;

  std::uint32_t references_ : 31 = 1;  // these fill up what the scope leaves of a word
  std::uint32_t ended_ : 1 = 0;
  Site site_;
  std::unique_ptr<std::string> name_;  // few have one
  Stack<Joiner> joiners_;
};

// Nothing, where there is no result to keep.
struct NoValue {
  void emplace() const noexcept {}
};

template <class T>
class ChildResult : public ChildBase {
  friend struct inspect::Layout;
  union {                       // the first, where inspectors look for it whatever T is
    OwnedFrame<T> frame_;       // until it has ended
    std::exception_ptr error_;  // from then on
  };

 public:
  explicit ChildResult(Site site) noexcept : ChildBase(site) { std::construct_at(&frame_); }
  ~ChildResult() override {
    if (ended()) {
      std::destroy_at(&error_);
    } else {
      std::destroy_at(&frame_);
    }
  }

  // For a child that has ended: Cancelled too; null when there is a value.
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }
  [[no_unique_address]] std::conditional_t<std::is_void_v<T>, NoValue, std::optional<Kept<T>>>
      value;

 protected:
  void adopt(OwnedFrame<T> frame) noexcept { frame_ = std::move(frame); }
  PromiseBase& promise() noexcept override { return frame_.promise(); }
  void conclude() noexcept override {
    const OwnedFrame<T> frame = std::move(frame_);
    std::destroy_at(&frame_);
    std::construct_at(&error_, frame.promise().error);
    if (error_ != nullptr) return;
    if constexpr (!std::is_void_v<T>) value.emplace(frame.promise().take());
  }
};

// In the place of what need not be kept: a plain function, arguments. (Two types, so that neither
// takes room.)
template <int>
struct NotKept {
  template <class... A>
  explicit NotKept(A&&...) noexcept {}
};

// A plain function that takes values, which are in its frame then, and references that can only
// come from std::ref: its arguments need not be kept either.
template <class P>
inline constexpr bool is_const_reference =
    std::is_rvalue_reference_v<P> ||
    (std::is_reference_v<P> && std::is_const_v<std::remove_reference_t<P>>);
template <class F>
inline constexpr bool keeps_arguments = false;
template <class R, class... Parameters>
inline constexpr bool keeps_arguments<R (*)(Parameters...)> =
    !(is_const_reference<Parameters> || ...);
template <class R, class... Parameters>
inline constexpr bool keeps_arguments<R (*)(Parameters...) noexcept> =
    keeps_arguments<R (*)(Parameters...)>;

// Holds the callable, so that a lambda's captures live as long as its coroutine, and the arguments,
// to which its parameters may refer.
template <class T, class F, class... Args>
class Child final : public ChildResult<T> {
 public:
  template <class G, class... A>
  Child(Site site, G&& function, A&&... args)
      : ChildResult<T>(site),
        function_(std::forward<G>(function)),
        arguments_(std::forward<A>(args)...) {
    if constexpr (has_arguments) {
      const auto call = [&](Args&... kept) { make(function, std::move(kept)...); };
      std::apply(call, arguments_);
    } else {
      make(function, Args(std::forward<A>(args))...);
    }
  }
  // A frame that has not ended may look at what is kept.
  ~Child() override {
    if (!this->ended()) this->adopt(OwnedFrame<T>());
  }

 private:
  static constexpr bool is_plain = std::is_pointer_v<F>;
  static constexpr bool has_arguments = sizeof...(Args) > 0 && !keeps_arguments<F>;

  // `function` is what the constructor was given.
  template <class G, class... A>
  void make([[maybe_unused]] G& function, A&&... args) {
    if constexpr (is_plain) {
      auto task = std::invoke(function, std::forward<A>(args)...);
      this->adopt(take_frame(task));
    } else {
      auto task = std::invoke(function_, std::forward<A>(args)...);
      this->adopt(take_frame(task));
    }
  }

  [[no_unique_address]] std::conditional_t<is_plain, NotKept<0>, F> function_;
  [[no_unique_address]] std::conditional_t<has_arguments, std::tuple<Args...>, NotKept<1>>
      arguments_;
};

template <class T>
class JoinChildAwaiter;
template <class T>
class TakeChildAwaiter;

}  // namespace detail

// A child of a group, seen from outside: await it, cancel it, name it. Copies refer to the same
// child; dropping every handle leaves the child running.
template <class T = void>
class TaskHandle {
 public:
  explicit TaskHandle(detail::ChildResult<T>& child) noexcept : child_(&child) { child.retain(); }
  TaskHandle(const TaskHandle& other) noexcept : child_(other.child_) { child_->retain(); }
  TaskHandle& operator=(const TaskHandle& other) noexcept {
    other.child_->retain();
    child_->drop();
    child_ = other.child_;
    return *this;
  }
  ~TaskHandle() { child_->drop(); }

  // The child ends with Cancelled at its next await; the group takes that as an end, not an error.
  void cancel() const noexcept { child_->cancel(); }
  void set_name(std::string name) const { child_->set_name(std::move(name)); }
  [[nodiscard]] bool ended() const noexcept { return child_->ended(); }

  // Waits for the child's end. Gives a reference to its result, which lives as long as a handle;
  // throws its error, or UsageError when it was cancelled. Cancelling this wait leaves the child
  // running.
  detail::JoinChildAwaiter<T> operator co_await() const& noexcept;
  // The same for a temporary, as in `auto user = co_await group.start(load_user, id)`: gives the
  // result itself. It is copied when other handles refer to the child, otherwise, and where it
  // cannot be copied, moved.
  detail::TakeChildAwaiter<T> operator co_await() && noexcept;

 private:
  detail::ChildResult<T>* child_;
};

class TaskGroup : public detail::Join {
 public:
  TaskGroup() noexcept = default;
  // Children are left only when the loop itself has failed; they are destroyed where they wait.
  ~TaskGroup();

  // Starts `function(args...)`, which gives a task, as a child: it first runs in the next round of
  // the ready queue. The callable and its arguments are kept, as they were given (a const char* as
  // that); pass references with std::ref. Throws UsageError when the group has ended, and on any
  // thread but the group's.
  template <class F>
  auto start(F&& function, Site site = Site::current()) {
    return spawn(site, std::forward<F>(function));
  }
  template <class F, class A>
    requires(!std::is_same_v<std::decay_t<A>, Site>)
  auto start(F&& function, A&& first, Site site = Site::current()) {
    return spawn(site, std::forward<F>(function), std::forward<A>(first));
  }
  template <class F, class A, class B>
    requires(!std::is_same_v<std::decay_t<B>, Site>)
  auto start(F&& function, A&& first, B&& second, Site site = Site::current()) {
    return spawn(site, std::forward<F>(function), std::forward<A>(first), std::forward<B>(second));
  }
  template <class F, class A, class B, class C>
    requires(!std::is_same_v<std::decay_t<C>, Site>)
  auto start(F&& function, A&& first, B&& second, C&& third, Site site = Site::current()) {
    return spawn(site, std::forward<F>(function), std::forward<A>(first), std::forward<B>(second),
                 std::forward<C>(third));
  }
  template <class F, class A, class B, class C, class D>
    requires(!std::is_same_v<std::decay_t<D>, Site>)
  auto start(F&& function, A&& first, B&& second, C&& third, D&& fourth,
             Site site = Site::current()) {
    return spawn(site, std::forward<F>(function), std::forward<A>(first), std::forward<B>(second),
                 std::forward<C>(third), std::forward<D>(fourth));
  }

  // Cancels the body and every child.
  void cancel() noexcept { scope_.cancel(); }
  [[nodiscard]] std::size_t running() const noexcept;

  PromiseBase* finished(PromiseBase& frame) noexcept final;
  [[nodiscard]] Site spawn_site(const PromiseBase& frame) const noexcept final;
  [[nodiscard]] const char* task_name(const PromiseBase& frame) const noexcept final;

  // For the runtime, which owns a group without a body.
  void open_root(CancelScope& scope) noexcept;
  // Gives a frame to resume when the last child has ended; for a group without body null.
  PromiseBase* child_finished(detail::ChildBase& child, PromiseBase& promise) noexcept;
  [[nodiscard]] bool has_children() const noexcept { return running() > 0; }
  [[nodiscard]] std::exception_ptr first_error() const noexcept { return error_; }

 protected:
  void collect(PromiseBase& child) noexcept override;
  // The last child that ran has ended; for a group without body.
  virtual void emptied() noexcept {}

 private:
  friend class detail::ChildBase;

  template <class F, class... Args>
  auto spawn(Site site, F&& function, Args&&... args) {
    using Function = std::decay_t<F>;
    static_assert(std::is_invocable_v<Function&, std::decay_t<Args>...>,
                  "the function cannot be called with copies of these arguments: what it takes by "
                  "non-const reference is passed with std::ref()");
    using T = await_result_t<std::invoke_result_t<Function&, std::decay_t<Args>...>>;
    require_open();
    auto child = std::make_unique<detail::Child<T, Function, std::decay_t<Args>...>>(
        site, std::forward<F>(function), std::forward<Args>(args)...);
    TaskHandle<T> handle(*child);
    enlist(*child.release());
    return handle;
  }
  void require_open() const;
  // Whose frame it is; null for the body's.
  [[nodiscard]] detail::ChildBase* child_of(const PromiseBase& frame) const noexcept;
  void enlist(detail::ChildBase& child) noexcept;

  Loop* const loop_ = Loop::current_or_null();
};

namespace detail {

// Throws the child's error; UsageError when it was cancelled.
[[noreturn]] void throw_child_error(const std::exception_ptr& error);

template <class T>
class JoinChildAwaiter : public Waiter, private ChildBase::Joiner {
 public:
  explicit JoinChildAwaiter(ChildResult<T>& child) noexcept : child_(&child) { child.retain(); }
  ~JoinChildAwaiter() { child_->drop(); }
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> handle) {
    if (!begin(handle.promise())) return true;
    if (child_->ended()) return !done_at_once();
    child_->wait(*this);
    return true;
  }
  std::add_lvalue_reference_t<T> await_resume() {
    throw_if_cancelled();
    if (child_->error() != nullptr) throw_child_error(child_->error());
    if constexpr (!std::is_void_v<T>) return *child_->value;
  }

 private:
  void child_ended() noexcept override { wake(); }
  void stop() noexcept override {
    StackNode<ChildBase::Joiner>::unlink();
    wake_cancelled();
  }

 protected:
  ChildResult<T>* child_;
};

template <class T>
class TakeChildAwaiter final : public JoinChildAwaiter<T> {
 public:
  using JoinChildAwaiter<T>::JoinChildAwaiter;
  T await_resume() {
    if constexpr (std::is_void_v<T> || std::is_reference_v<T>) {
      return JoinChildAwaiter<T>::await_resume();
    } else {
      T& value = JoinChildAwaiter<T>::await_resume();
      if constexpr (std::is_copy_constructible_v<T>) {
        // The handle that is awaited and this awaiter are two.
        if (this->child_->references() > 2) return T(std::as_const(value));
      }
      return std::move(value);
    }
  }
};

[[noreturn]] void throw_without_result();

// The body is a child too, but awaits nothing and has no handle.
template <class F>
class GroupAwaiter final : public TaskGroup {
 public:
  explicit GroupAwaiter(F body) : body_(std::move(body)) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> parent) {
    open(parent.promise());
    try {
      auto task = std::invoke(body_, static_cast<TaskGroup&>(*this));
      frame_ = take_frame(task);
    } catch (...) {  // a plain body may have started children by then: they are awaited first
      fail(std::current_exception());
      return close();
    }
    launch(frame_.promise(), *this);
    return close();
  }
  decltype(auto) await_resume() {
    finish();
    // A body that ended because its own group was cancelled has simply ended.
    if constexpr (std::is_void_v<T>) {
      if (!frame_.promise().ended_cancelled()) frame_.promise().take();
    } else {
      if (frame_.promise().ended_cancelled()) throw_without_result();
      return frame_.promise().take();
    }
  }

 private:
  using T = await_result_t<std::invoke_result_t<F&, TaskGroup&>>;
  F body_;
  OwnedFrame<T> frame_;
};

template <class F>
class [[nodiscard("co_await it")]] GroupOf {
 public:
  explicit GroupOf(F body) : body_(std::move(body)) {}
  GroupAwaiter<F> operator co_await() && { return GroupAwaiter<F>(std::move(body_)); }

 private:
  F body_;
};

}  // namespace detail

template <class T>
detail::JoinChildAwaiter<T> TaskHandle<T>::operator co_await() const& noexcept {
  return detail::JoinChildAwaiter<T>(*child_);
}
template <class T>
detail::TakeChildAwaiter<T> TaskHandle<T>::operator co_await() && noexcept {
  return detail::TakeChildAwaiter<T>(*child_);
}

// Awaits `body(group)` and every child that was started on the group; gives the body's result.
template <class F>
  requires std::is_invocable_v<std::decay_t<F>&, TaskGroup&>
auto task_group(F&& body) {
  check_dialect<F>();
  return detail::GroupOf<std::decay_t<F>>(std::forward<F>(body));
}

}  // namespace clearway
