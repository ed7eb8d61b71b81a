#include "daemon/session/rpc_status.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/rpc_status.pb.h"

namespace cairn::session {
namespace {

constexpr char kTypePrefix[] = "github.com/moby/buildkit/";

// Outermost first; what is not listed comes last.
constexpr std::array<const char*, 10> kOrder = {
    "stack.Stack+json",
    "errdefs.Frontend+json",
    "errdefs.FrontendCap+json",
    "errdefs.Subrequest+json",
    "errdefs.CompatibilityFeature+json",
    "errdefs.Source+json",
    "errdefs.Solve+json",
    "errdefs.Vertex+json",
    "gatewayapi.ExitMessage+json",
    "policysession.DecisionResponse+json",
};

std::string DetailName(const google::protobuf::Descriptor& type) {
  // google::protobuf has a string type of its own choice; full_name is copied to be sure of ours.
  const std::string full_name = type.full_name();
  if (full_name == "moby.buildkit.v1.frontend.ExitMessage") {
    return "gatewayapi.ExitMessage+json";
  }
  if (full_name == "moby.buildkit.v1.sourcepolicy.policysession.DecisionResponse") {
    return "policysession.DecisionResponse+json";
  }
  return full_name + "+json";
}

struct Detail {
  size_t rank = 0;
  int number = 1;  // among those of its type
  std::string url;
  std::string value;
};

Detail MakeDetail(string_view key, const absl::Cord& value) {
  Detail detail;
  string_view url = key;
  const size_t hash = url.rfind('#');
  if (hash != string_view::npos && absl::SimpleAtoi(url.substr(hash + 1), &detail.number)) {
    url = url.substr(0, hash);
  }
  detail.url = std::string(url);
  detail.value = std::string(value);
  detail.rank = kOrder.size();
  for (size_t i = 0; i < kOrder.size(); ++i) {
    if (absl::EndsWith(url, kOrder[i])) {
      detail.rank = i;
      break;
    }
  }
  return detail;
}

void AddPayload(Status& status, const std::string& url, const std::string& value) {
  std::string key = url;
  for (int number = 2; status.GetPayload(key).has_value(); ++number) {
    key = absl::StrCat(url, "#", number);
  }
  status.SetPayload(key, absl::Cord(value));
}

}  // namespace

void AddErrorDetail(Status& status, const google::protobuf::Message& detail) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;  // as Go's struct tags spell them
  options.always_print_enums_as_ints = true;
  std::string json;
  if (google::protobuf::util::MessageToJsonString(detail, &json, options).ok()) {
    AddErrorDetailJson(status, DetailName(*detail.GetDescriptor()), json);
  }
}

void AddErrorDetailJson(Status& status, string_view name, string_view json) {
  if (!status.ok()) {
    AddPayload(status, absl::StrCat(kTypePrefix, name), std::string(json));
  }
}

std::vector<std::pair<std::string, std::string>> ErrorDetails(const Status& status) {
  std::vector<Detail> details;
  status.ForEachPayload([&details](string_view key, const absl::Cord& value) {
    // Payloads that are not type URLs are this program's own, such as an errno.
    if (absl::StrContains(key, "/") && !absl::StartsWith(key, "cairn/")) {
      details.push_back(MakeDetail(key, value));
    }
  });
  std::sort(details.begin(), details.end(), [](const Detail& a, const Detail& b) {
    return std::tie(a.rank, a.url, a.number) < std::tie(b.rank, b.url, b.number);
  });
  std::vector<std::pair<std::string, std::string>> out;
  for (Detail& detail : details) {
    out.emplace_back(std::move(detail.url), std::move(detail.value));
  }
  return out;
}

std::string ErrorDetailJson(const Status& status, string_view name) {
  const auto payload = status.GetPayload(absl::StrCat(kTypePrefix, name));
  return payload.has_value() ? std::string(*payload) : "";
}

google::rpc::Status ToRpcStatus(const Status& status) {
  google::rpc::Status out;
  out.set_code(static_cast<int>(status.code()));
  out.set_message(std::string(status.message()));
  for (const auto& detail : ErrorDetails(status)) {
    google::protobuf::Any* any = out.add_details();
    any->set_type_url(detail.first);
    any->set_value(detail.second);
  }
  return out;
}

Status FromRpcStatus(const google::rpc::Status& status) {
  auto code = static_cast<absl::StatusCode>(status.code());
  if (status.code() < 0 || status.code() > static_cast<int>(absl::StatusCode::kUnauthenticated)) {
    code = absl::StatusCode::kUnknown;
  }
  Status out(code, status.message());
  if (!out.ok()) {
    for (const google::protobuf::Any& any : status.details()) {
      AddPayload(out, any.type_url(), any.value());
    }
  }
  return out;
}

}  // namespace cairn::session
