#pragma once

#include <string>

// One GET with libcurl's easy interface: ordinary blocking code that knows nothing of Clearway.
// Gives the body; throws std::runtime_error when there is none.
std::string fetch_blocking(const std::string& url);
