#pragma once

// What stands between a server and its handlers, for every request: authentication, logging, fields
// of every answer.

#include <cstddef>

#include <clearway/base/unique_function.hpp>
#include <clearway/http/request.hpp>
#include <clearway/http/response.hpp>
#include <clearway/task/task.hpp>

namespace clearway::http {

// The rest of an answer's way, as a middleware sees it.
class Next {
 public:
  // Runs the middleware that was added later and then the route's handler, and gives the answer,
  // also that there is no such route. What a handler throws passes through here.
  Task<Response> operator()() const;

 private:
  friend class detail::ServerExchange;
  Next(detail::ServerExchange& exchange, std::size_t layer) noexcept
      : exchange_(&exchange), layer_(layer) {}

  detail::ServerExchange* exchange_;
  std::size_t layer_;
};

using Middleware = UniqueFunction<Task<Response>(Request&, Next)>;

}  // namespace clearway::http
