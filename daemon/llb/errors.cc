#include "daemon/llb/errors.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace cairn::llb {
namespace {

// Payload type URLs. A status has one payload per URL, so sources are numbered.
constexpr char kVertex[] = "cairn/errdefs.Vertex";
constexpr char kSolve[] = "cairn/errdefs.Solve";
constexpr char kExitCode[] = "cairn/exit-code";
constexpr char kFrontend[] = "cairn/errdefs.Frontend";
constexpr char kFrontendCap[] = "cairn/errdefs.FrontendCap";
constexpr char kSubrequest[] = "cairn/errdefs.Subrequest";
constexpr char kReplacedSource[] = "cairn/replaced-source";

std::string SourceUrl(size_t index) { return absl::StrCat("cairn/errdefs.Source/", index); }

size_t CountSources(const Status& status) {
  size_t count = 0;
  while (status.GetPayload(SourceUrl(count))) {
    ++count;
  }
  return count;
}

template <typename T>
std::optional<T> MessageOf(const Status& status, string_view url) {
  const auto payload = status.GetPayload(url);
  T message;
  if (!payload || !message.ParseFromString(std::string(*payload))) {
    return std::nullopt;
  }
  return message;
}

Status WithMessage(Status status, string_view url, const google::protobuf::MessageLite& message) {
  status.SetPayload(url, absl::Cord(message.SerializeAsString()));
  return status;
}

std::optional<std::string> TextOf(const Status& status, string_view url) {
  const auto payload = status.GetPayload(url);
  if (!payload) {
    return std::nullopt;
  }
  return std::string(*payload);
}

}  // namespace

Status WithSource(Status status, const errdefs::Source& source) {
  const std::string url = SourceUrl(CountSources(status));
  return WithMessage(std::move(status), url, source);
}

std::vector<errdefs::Source> SourcesOf(const Status& status) {
  std::vector<errdefs::Source> sources;
  for (size_t i = CountSources(status); i-- > 0;) {
    if (auto source = MessageOf<errdefs::Source>(status, SourceUrl(i))) {
      sources.push_back(*std::move(source));
    }
  }
  return sources;
}

Status WithVertex(Status status, const Digest& vertex) {
  if (status.GetPayload(kVertex)) {
    return status;
  }
  errdefs::Vertex message;
  message.set_digest(vertex.ToString());
  return WithMessage(std::move(status), kVertex, message);
}

std::optional<Digest> VertexOf(const Status& status) {
  const auto message = MessageOf<errdefs::Vertex>(status, kVertex);
  if (!message) {
    return std::nullopt;
  }
  const auto digest = Digest::Parse(message->digest());
  return digest.ok() ? std::optional<Digest>(*digest) : std::nullopt;
}

Status WithSolve(Status status, const errdefs::Solve& solve) {
  return WithMessage(std::move(status), kSolve, solve);
}

std::optional<errdefs::Solve> SolveOf(const Status& status) {
  return MessageOf<errdefs::Solve>(status, kSolve);
}

Status WithExitCode(Status status, uint32_t code) {
  status.SetPayload(kExitCode, absl::Cord(absl::StrCat(code)));
  return status;
}

std::optional<uint32_t> ExitCodeOf(const Status& status) {
  const auto text = TextOf(status, kExitCode);
  uint32_t code = 0;
  if (!text || !absl::SimpleAtoi(*text, &code)) {
    return std::nullopt;
  }
  return code;
}

Status WithFrontend(Status status, const errdefs::Frontend& frontend) {
  return WithMessage(std::move(status), kFrontend, frontend);
}

std::optional<errdefs::Frontend> FrontendOf(const Status& status) {
  return MessageOf<errdefs::Frontend>(status, kFrontend);
}

Status WithFrontendCap(Status status, string_view name) {
  status.SetPayload(kFrontendCap, absl::Cord(name));
  return status;
}

std::optional<std::string> FrontendCapOf(const Status& status) {
  return TextOf(status, kFrontendCap);
}

Status WithReplacedSource(Status status, string_view identifier) {
  status.SetPayload(kReplacedSource, absl::Cord(identifier));
  return status;
}

std::optional<std::string> ReplacedSourceOf(const Status& status) {
  return TextOf(status, kReplacedSource);
}

Status WithSubrequest(Status status, string_view name) {
  status.SetPayload(kSubrequest, absl::Cord(name));
  return status;
}

std::optional<std::string> SubrequestOf(const Status& status) {
  return TextOf(status, kSubrequest);
}

}  // namespace cairn::llb
