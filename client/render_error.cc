#include "client/render_error.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "proto/rpc_status.pb.h"

namespace cairn::client {
namespace {

using nlohmann::json;

constexpr char kSourcePayload[] = "cairn/source";
constexpr int kContextLines = 4;
constexpr char kRule[] = "--------------------\n";

// Lines (from 1) that one source detail's ranges name.
std::set<int> LinesOf(const json& ranges) {
  std::set<int> lines;
  for (const json& range : ranges) {
    const int start = range.value("start", json::object()).value("line", 0);
    const int end = std::max(start, range.value("end", json::object()).value("line", 0));
    for (int line = start; line > 0 && line <= end && line < start + 1000; ++line) {
      lines.insert(line);
    }
  }
  return lines;
}

std::string Excerpt(const std::string& detail) {
  const json source = json::parse(detail, nullptr, false);
  if (!source.is_object() || !source.contains("info") || !source.contains("ranges") ||
      !source["info"].is_object() || !source["ranges"].is_array()) {
    return "";
  }
  std::string data;
  const json& info = source["info"];
  if (!info.contains("data") || !info["data"].is_string() ||
      !absl::Base64Unescape(info["data"].get<std::string>(), &data)) {
    return "";
  }
  const std::vector<std::string> text = absl::StrSplit(data, '\n');
  const std::set<int> marked = LinesOf(source["ranges"]);
  if (marked.empty() || *marked.begin() > static_cast<int>(text.size())) {
    return "";
  }
  const int last_mark = std::min<int>(*marked.rbegin(), static_cast<int>(text.size()));
  const int first = std::max(1, *marked.begin() - kContextLines);
  const int last = std::min<int>(last_mark + kContextLines, static_cast<int>(text.size()));
  std::string out =
      absl::StrCat(info.value("filename", "Dockerfile"), ":", *marked.begin(), "\n", kRule);
  for (int line = first; line <= last; ++line) {
    absl::StrAppendFormat(&out, "%4d | %s %s\n", line, marked.count(line) > 0 ? ">>>" : "   ",
                          text[static_cast<size_t>(line - 1)]);
  }
  return absl::StrCat(out, kRule);
}

// What can be done about a connection that failed with `cause`, in gRPC's and OpenSSL's words.
string_view WayOut(string_view cause) {
  if (absl::StrContains(cause, "certificate verify failed")) {
    return "the daemon's certificate does not come from the CA of --tlscacert";
  }
  if (absl::StrContains(cause, "is not in peer certificate")) {
    return "--tlsservername says which name to expect";
  }
  if (absl::StrContains(cause, "wrong version number")) {
    return "the daemon speaks no TLS there: leave out --tlscacert, --tlscert and --tlskey";
  }
  if (absl::StrContains(cause, "Socket closed") || absl::StrContains(cause, "Connection reset")) {
    return "a daemon that wants TLS needs --tlscacert, and --tlscert and --tlskey if it asks who "
           "its clients are";
  }
  return "is cairnd running? set CAIRN_HOST or --addr to where it listens";
}

// The text of a status that tells of no connection: where to, why not, what to do about it.
std::string ConnectionText(string_view text) {
  // "failed to connect to all addresses; last error: UNKNOWN: unix:/path: No such file"
  const size_t last = text.find("last error: ");
  const size_t cause = last == string_view::npos ? last : text.find(": ", last + 12);
  if (cause != string_view::npos) {
    text.remove_prefix(cause + 2);
  }
  return absl::StrCat("connect to ", text, "; ", WayOut(text));
}

bool IsUnreachable(const grpc::Status& status) {
  const std::string& text = status.error_message();
  return status.error_code() == grpc::UNAVAILABLE &&
         (absl::StartsWith(text, "failed to connect to all addresses") ||
          absl::StartsWith(text, "DNS resolution failed"));
}

// Whether the connection broke, in gRPC's words: daemons answer with that code, too, when a
// registry is out of reach.
bool IsBroken(const grpc::Status& status) {
  const std::string& text = status.error_message();
  bool broken = text.empty();
  for (const char* words : {"Socket closed", "Connection reset", "Broken pipe", "GOAWAY",
                            "Endpoint read failed", "Transport closed", "recvmsg", "sendmsg"}) {
    broken = broken || absl::StartsWith(text, words);
  }
  return broken && status.error_code() == grpc::UNAVAILABLE;
}

}  // namespace

Status FromDaemon(const grpc::Status& status) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  if (IsUnreachable(status)) {
    return absl::UnavailableError(ConnectionText(status.error_message()));
  }
  Status out(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  if (IsBroken(status)) {
    out = absl::UnavailableError(absl::StrCat("the daemon is gone: ", status.error_message()));
  }
  if (status.error_code() == grpc::UNIMPLEMENTED && status.error_message().empty()) {
    out = absl::UnimplementedError("the daemon at this address does not offer that");
  }
  google::rpc::Status details;
  std::string excerpts;
  if (details.ParseFromString(status.error_details())) {
    for (const auto& detail : details.details()) {
      if (absl::EndsWith(detail.type_url(), "errdefs.Source+json")) {
        try {
          excerpts += Excerpt(detail.value());
        } catch (const json::exception&) {
          continue;  // a detail of another shape says nothing that can be shown
        }
      }
    }
  }
  if (!excerpts.empty()) {
    out.SetPayload(kSourcePayload, absl::Cord(excerpts));
  }
  return out;
}

std::string SourceExcerpt(const Status& status) {
  const auto payload = status.GetPayload(kSourcePayload);
  return payload.has_value() ? std::string(*payload) : "";
}

}  // namespace cairn::client
