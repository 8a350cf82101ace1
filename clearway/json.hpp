#pragma once

// JSON values for .json() of requests and responses: nlohmann::json, complete.

#include <nlohmann/json.hpp>
