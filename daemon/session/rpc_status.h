// Errors and their typed details: absl::Status <-> google.rpc.Status.
//
// A detail is an Any whose value is JSON text and whose type URL is
// "github.com/moby/buildkit/<name>" (BuildKit's clients know the names by heart). In an
// absl::Status each detail is a payload under its type URL; a second detail of one type goes under
// the URL with "#2" added, and so on. Details of unknown types pass through untouched.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/base/status.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf
namespace google::rpc {
class Status;
}  // namespace google::rpc

namespace cairn::session {

// Adds `detail`, a message of proto/error_details.proto, gateway ExitMessage or policysession
// DecisionResponse, to the error `status` in its JSON form. Does nothing to an OK status.
void AddErrorDetail(Status& status, const google::protobuf::Message& detail);

// Adds the detail `json` under the name `name`, such as "errdefs.Vertex+json".
void AddErrorDetailJson(Status& status, string_view name, string_view json);

// The details of `status` as (type URL, value), in the order in which clients expect them: stacks,
// then from the outermost cause to the innermost.
std::vector<std::pair<std::string, std::string>> ErrorDetails(const Status& status);

// The JSON of the first detail called `name` ("errdefs.Vertex+json"), or "".
std::string ErrorDetailJson(const Status& status, string_view name);

google::rpc::Status ToRpcStatus(const Status& status);
Status FromRpcStatus(const google::rpc::Status& status);

}  // namespace cairn::session
