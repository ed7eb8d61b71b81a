// An id of this user on this machine that stays the same, so that a daemon knows the contexts of
// one client from another's.
#pragma once

#include <string>

namespace cairn::client {

// 16 hex digits; made from the machine id and the user id.
std::string ClientId();

}  // namespace cairn::client
