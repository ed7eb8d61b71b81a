// An http or https URL (RFC 3986), taken apart once.
//
// User information ("user:password@") is refused: credentials never travel in URLs here.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/status.h"

namespace cairn::net {

struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; IPv6 addresses in brackets
  uint16_t port = 0;   // the scheme's own when the text has none
  std::string path;    // begins with '/', as in the text (not decoded)
  std::string query;   // without '?'

  // kInvalidArgument for other schemes, user information, control characters or no host.
  static StatusOr<Url> Parse(string_view text);

  // The URL that `reference` (absolute or relative, as in a Location header) means here.
  StatusOr<Url> Resolve(string_view reference) const;

  std::string ToString() const;
  // Without the query, which may hold a signature: for messages.
  std::string ForMessage() const;
  // "host" or "host:port" when the port is not the scheme's own.
  std::string authority() const;
  // Scheme, host and port: what credentials are bound to.
  std::string origin() const;
  // The host is "localhost" or a loopback address.
  bool IsLoopback() const;

  friend bool operator==(const Url&, const Url&) = default;
};

// Escapes everything but unreserved characters (RFC 3986, section 2.3).
std::string EscapeQuery(string_view text);

// Turns "%2f" and the like into what they stand for, and, if wanted, "+" into a space. What is no
// such escape stays.
std::string PercentDecode(string_view text, bool plus_is_space = false);

// `url` with "xxxxx" for user and password. What is no URL is returned as it is.
std::string RedactCredentials(const std::string& url);

}  // namespace cairn::net
