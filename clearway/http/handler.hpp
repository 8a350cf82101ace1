#pragma once

// From a callable with typed parameters to something a router can hold.

#include <charconv>
#include <concepts>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <clearway/http/request.hpp>
#include <clearway/http/response.hpp>
#include <clearway/task/task.hpp>

namespace clearway::http::detail {

// A handler with its captures, owned by the App.
class Handler {
 public:
  Handler() noexcept = default;
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  virtual ~Handler() = default;

  // A frame that gives the response, not started; or none, and then `response` is set.
  virtual OwnedFrame<Response> call(Request& request, const RouteParameters& parameters,
                                    Response& response) = 0;
};

template <class T>
inline constexpr bool is_response_task = std::is_same_v<T, Task<Response>>;

template <class F>
struct Signature;
template <class R, class... A>
struct Signature<R (*)(A...)> {
  using Result = R;
  using Arguments = std::tuple<A...>;
};
template <class R, class C, class... A>
struct Signature<R (C::*)(A...)> : Signature<R (*)(A...)> {};
template <class R, class C, class... A>
struct Signature<R (C::*)(A...) const> : Signature<R (*)(A...)> {};
template <class R, class C, class... A>
struct Signature<R (C::*)(A...) noexcept> : Signature<R (*)(A...)> {};
template <class R, class C, class... A>
struct Signature<R (C::*)(A...) const noexcept> : Signature<R (*)(A...)> {};

template <class F>
concept PlainCallable = requires { &F::operator(); };
template <class F>
  requires PlainCallable<F>
struct Signature<F> : Signature<decltype(&F::operator())> {};

template <class F>
concept HasSignature =
    PlainCallable<F> || (std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>);

template <class T>
concept IntegerParameter = std::integral<T> && !std::is_same_v<T, bool>;
template <class T>
concept RouteParameter = IntegerParameter<T> || std::is_same_v<T, std::string>;

// Throws Abort(404) when the number does not fit into the handler's type.
[[noreturn]] void refuse_number();

template <RouteParameter T>
T convert(std::string_view raw) {
  if constexpr (IntegerParameter<T>) {
    T value{};
    const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    if (error != std::errc() || end != raw.data() + raw.size()) refuse_number();
    return value;
  } else {
    return decode_parameter(raw);
  }
}

// Throws UsageError unless the handler takes what the pattern gives.
void check_parameters(const Pattern& pattern, const bool* is_integer, std::size_t count);

template <class F, class R, class... P>
class TypedHandler final : public Handler {
 public:
  template <class G>
  explicit TypedHandler(G&& function) : function_(std::forward<G>(function)) {}

  OwnedFrame<Response> call(Request& request, const RouteParameters& parameters,
                            Response& response) override {
    return invoke(request, parameters, response, std::index_sequence_for<P...>());
  }
  static void check(const Pattern& pattern) {
    const bool is_integer[] = {IntegerParameter<P>..., false};
    check_parameters(pattern, is_integer, sizeof...(P));
  }

 private:
  template <std::size_t... I>
  OwnedFrame<Response> invoke(Request& request, [[maybe_unused]] const RouteParameters& parameters,
                              [[maybe_unused]] Response& response, std::index_sequence<I...>) {
    if constexpr (is_response_task<R>) {
      return function_(request, convert<P>(parameters.values[I])...).release();
    } else {
      response = function_(request, convert<P>(parameters.values[I])...);
      return {};
    }
  }

  F function_;
};

template <class F, class R, class Arguments>
struct HandlerFor {
  static_assert(!std::is_same_v<F, F>,
                "a handler's first parameter is http::Request&, as in "
                "[](http::Request&, int id) -> Task<http::Response> { ... }");
};
template <class F, class R, class... P>
struct HandlerFor<F, R, std::tuple<Request&, P...>> {
  static_assert(is_response_task<R> || std::is_convertible_v<R, Response>,
                "a handler returns Task<http::Response> (or, if it never waits, http::Response or "
                "text): write `-> Task<http::Response>` after its parameters");
  static_assert((RouteParameter<P> && ...),
                "a handler's parameters after http::Request& are integers or std::string, by "
                "value: a reference may outlive what it refers to");
  using type = TypedHandler<F, R, P...>;
};

template <class F>
using handler_for =
    typename HandlerFor<F, typename Signature<F>::Result, typename Signature<F>::Arguments>::type;

}  // namespace clearway::http::detail
