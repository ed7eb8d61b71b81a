// Typed details that travel inside an absl::Status from where a build fails to the client.
//
// Each detail is a payload holding a message of proto/error_details.proto; control encodes them as
// the JSON details that BuildKit's clients print (protocol.md 1.6). Annotate keeps payloads, so a
// status may be given context anywhere on the way.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proto/error_details.pb.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::llb {

// Adds the source lines that `status` is about. Several may be added; outermost first.
Status WithSource(Status status, const errdefs::Source& source);
std::vector<errdefs::Source> SourcesOf(const Status& status);

// Names the vertex that failed, by the digest that the client knows. The first one given stays.
Status WithVertex(Status status, const Digest& vertex);
std::optional<Digest> VertexOf(const Status& status);

// The failed operation with the ids of its inputs and mounts, for debugging through the gateway.
Status WithSolve(Status status, const errdefs::Solve& solve);
std::optional<errdefs::Solve> SolveOf(const Status& status);

// The process's exit code, when one made the step fail.
Status WithExitCode(Status status, uint32_t code);
std::optional<uint32_t> ExitCodeOf(const Status& status);

// Which frontend failed ("dockerfile.v0" and its source image, which may be empty).
Status WithFrontend(Status status, const errdefs::Frontend& frontend);
std::optional<errdefs::Frontend> FrontendOf(const Status& status);

// A frontend capability or subrequest that is not supported: clients fall back on these.
Status WithFrontendCap(Status status, string_view name);
std::optional<std::string> FrontendCapOf(const Status& status);
// The source that a policy put in the place of an image that was asked about and that is no image.
Status WithReplacedSource(Status status, string_view identifier);
std::optional<std::string> ReplacedSourceOf(const Status& status);
Status WithSubrequest(Status status, string_view name);
std::optional<std::string> SubrequestOf(const Status& status);

}  // namespace cairn::llb
