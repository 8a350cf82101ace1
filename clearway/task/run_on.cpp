#include <clearway/task/run_on.hpp>

#include <clearway/base/error.hpp>

namespace clearway::detail {

// Held by whatever carries the call; the last one that lets go sends it back, however it ended.
class RemoteCall::Return {
 public:
  explicit Return(std::shared_ptr<RemoteCall> call) noexcept : call_(std::move(call)) {}
  Return(const Return&) = delete;
  Return& operator=(const Return&) = delete;
  ~Return() {
    const LoopHandle origin = call_->origin_;
    origin.post([call = std::move(call_)] { call->waiter_->returned(); });
  }
  [[nodiscard]] RemoteCall& call() const noexcept { return *call_; }

 private:
  std::shared_ptr<RemoteCall> call_;
};

// The handle goes on the target's thread, before the call is sent back.
class RemoteCall::Forget {
 public:
  explicit Forget(RemoteCall& call) noexcept : call_(call) {}
  Forget(const Forget&) = delete;
  Forget& operator=(const Forget&) = delete;
  ~Forget() { call_.child_.reset(); }

 private:
  RemoteCall& call_;
};

// On the target's thread, in its background group.
void RemoteCall::begin(std::shared_ptr<Return> back) {
  begun_ = true;
  const auto attend = [](std::shared_ptr<Return> carrier) -> Task<> {
    RemoteCall& call = carrier->call();
    const Forget forget(call);
    try {
      co_await call.work();
      call.ended_ = true;
    } catch (const Cancelled&) {
      throw;
    } catch (...) {  // carried over to who called
      call.error_ = std::current_exception();
      call.ended_ = true;
    }
  };
  child_ = background().start(attend, std::move(back));
  if (cancelled_) child_->cancel();
}

void RemoteCall::cancel() {
  cancelled_ = true;
  if (child_) child_->cancel();
}

void RemoteWaiter::send() {
  call_->waiter_ = this;
  auto back = std::make_shared<RemoteCall::Return>(call_);
  // Where the loop has ended the function is destroyed unrun, and sends the call back.
  target_.post([back = std::move(back)]() mutable {
    RemoteCall& call = back->call();
    call.begin(std::move(back));
  });
}

void RemoteWaiter::stop() noexcept {
  target_.post([call = call_] { call->cancel(); });
}

void RemoteWaiter::await_resume() {
  throw_if_cancelled();
  if (call_->error_ != nullptr) std::rethrow_exception(call_->error_);
  if (call_->ended_) return;
  if (frame()->scope != nullptr && frame()->scope->cancelled()) throw Cancelled();
  throw UsageError(call_->begun_ ? "the background work of the other loop was cancelled, and this "
                                   "function with it"
                                 : "the loop that was to run this function has ended");
}

}  // namespace clearway::detail
