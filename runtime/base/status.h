// Status helpers for the whole of Cairn: propagation, context, errno, and typed payloads.
//
// Messages are lower case, say what was attempted and on which object, and end with the cause:
// "pull layer sha256:ab..: connect registry.example:443: connection refused". kCancelled passes
// through Annotate untouched, so that nobody mistakes a cancelled build for a failed one.
#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn {

using absl::Status;
using absl::StatusOr;
// Debian's abseil is built with a string_view of its own; everything here uses that one type.
using absl::string_view;

// Returns `status` with "context: " before its message; code and payloads are kept. OK and
// kCancelled statuses are returned as they are.
Status Annotate(const Status& status, string_view context);

// Returns a status for the errno value `error`: ENOENT is kNotFound, EEXIST kAlreadyExists, ENOSPC,
// EDQUOT, ENOMEM, EMFILE kResourceExhausted, EACCES and EPERM kPermissionDenied, EINVAL
// kInvalidArgument, anything else kUnknown. The message is "context: strerror".
Status ErrnoStatus(int error, string_view context);

// Returns the errno value that ErrnoStatus recorded in `status`, or 0.
int ErrnoOf(const Status& status);

}  // namespace cairn

#define CAIRN_STATUS_CONCAT_INNER(a, b) a##b
#define CAIRN_STATUS_CONCAT(a, b) CAIRN_STATUS_CONCAT_INNER(a, b)

// Returns from the function with the status of `expr` unless it is OK.
#define RETURN_IF_ERROR(expr)                             \
  do {                                                    \
    if (::absl::Status status_ = (expr); !status_.ok()) { \
      return status_;                                     \
    }                                                     \
  } while (false)

// Like RETURN_IF_ERROR, with `context` put before the message.
#define RETURN_IF_ERROR_IN(expr, context)                 \
  do {                                                    \
    if (::absl::Status status_ = (expr); !status_.ok()) { \
      return ::cairn::Annotate(status_, (context));       \
    }                                                     \
  } while (false)

// Assigns the value of the StatusOr `expr` to `lhs`, or returns its status.
#define ASSIGN_OR_RETURN(lhs, expr) \
  CAIRN_ASSIGN_OR_RETURN_INNER(CAIRN_STATUS_CONCAT(result_, __LINE__), lhs, expr)
#define CAIRN_ASSIGN_OR_RETURN_INNER(result, lhs, expr) \
  auto result = (expr);                                 \
  if (!result.ok()) {                                   \
    return result.status();                             \
  }                                                     \
  lhs = *std::move(result)

// Like ASSIGN_OR_RETURN, with `context` put before the message.
#define ASSIGN_OR_RETURN_IN(lhs, expr, context) \
  CAIRN_ASSIGN_OR_RETURN_IN_INNER(CAIRN_STATUS_CONCAT(result_, __LINE__), lhs, expr, context)
#define CAIRN_ASSIGN_OR_RETURN_IN_INNER(result, lhs, expr, context) \
  auto result = (expr);                                             \
  if (!result.ok()) {                                               \
    return ::cairn::Annotate(result.status(), (context));           \
  }                                                                 \
  lhs = *std::move(result)
