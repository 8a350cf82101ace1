#pragma once

// Compile-time refusal of what g++ 12 miscompiles: a temporary lambda that holds non-trivial
// copies, in a co_await expression, is destroyed twice. docs/hazards.md has the cases.

#include <string_view>
#include <type_traits>

namespace clearway {

namespace detail {

template <class F>
consteval bool is_lambda() {
  const std::string_view name = __PRETTY_FUNCTION__;
  return name.find("<lambda(") != std::string_view::npos &&
         name.find("_Bind_front") == std::string_view::npos &&
         name.find("std::function<") == std::string_view::npos;
}

}  // namespace detail

// `F` is the deduced type of a forwarding reference.
template <class F>
consteval void check_dialect() {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
  static_assert(std::is_lvalue_reference_v<F> || !detail::is_lambda<F>() ||
                    std::is_trivially_destructible_v<std::remove_cvref_t<F>>,
                "g++ 12 destroys this lambda twice: capture by reference ([&]), or name the lambda "
                "first and pass the name");
#endif
}

}  // namespace clearway
