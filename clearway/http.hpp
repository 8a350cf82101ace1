#pragma once

// HTTP/1.1. JSON values are declared here; include <clearway/json.hpp> to use them.

#include <clearway/clearway.hpp>
#include <clearway/http/app.hpp>
#include <clearway/http/headers.hpp>
#include <clearway/http/media.hpp>
#include <clearway/http/query.hpp>
#include <clearway/http/request.hpp>
#include <clearway/http/response.hpp>
#include <clearway/http/send_file.hpp>
#include <clearway/http/server.hpp>
#include <clearway/http/server_options.hpp>
#include <clearway/http/session.hpp>
#include <clearway/http/url.hpp>
