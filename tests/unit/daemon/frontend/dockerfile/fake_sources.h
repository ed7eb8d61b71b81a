// Images and contexts for tests of the conversion.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/converter.h"
#include "daemon/frontend/dockerfile/sources.h"
#include "runtime/base/digest.h"

namespace cairn::dockerfile {

// Every image exists; configs may be given, and the lookups are recorded.
class FakeResolver : public ImageResolver {
 public:
  StatusOr<ResolvedImage> Resolve(const std::string& reference, const Platform& platform,
                                  const std::string&, const std::string& log_name) override {
    const std::lock_guard<std::mutex> lock(mu_);
    log_names.push_back(log_name);
    if (absl::StrContains(reference, "missing")) {
      return absl::NotFoundError(absl::StrCat(reference, ": not found"));
    }
    std::string config = absl::StrCat(
        R"({"architecture":")", platform.architecture, R"(","os":")", platform.os,
        R"(","config":{"Env":["PATH=/bin","BASE=image"],"Cmd":["sh"],"WorkingDir":""},)",
        R"("rootfs":{"type":"layers","diff_ids":["sha256:)", std::string(64, '1'),
        R"("]},"history":[{"created":"2020-01-02T03:04:05Z","created_by":"base"}]})");
    if (const auto found = configs.find(reference); found != configs.end()) {
      config = found->second;
    }
    return ResolvedImage{reference, Digest::Of(reference).ToString(), config};
  }

  std::map<std::string, std::string> configs;  // by normalised reference
  std::vector<std::string> log_names;

 private:
  std::mutex mu_;
};

// A local directory as context; named contexts and ignore patterns as given.
class FakeContexts : public ContextSource {
 public:
  StatusOr<ContextState> MainContext() override {
    ContextState state;
    state.output = LocalSource("context", {.exclude_patterns = patterns});
    state.output.node->SetName("[internal] load build context");
    state.local = state.output.node;
    return state;
  }
  StatusOr<std::vector<std::string>> IgnorePatterns() override { return patterns; }
  StatusOr<std::optional<ContextState>> NamedContext(const std::string& name,
                                                     const Platform&) override {
    const auto found = named.find(name);
    return found == named.end() ? std::nullopt : std::optional<ContextState>(found->second);
  }
  bool HasNamedContext(const std::string& name, const Platform&) override {
    return named.count(name) > 0;
  }
  StatusOr<std::optional<absl::Time>> SourceTime(const llb::Output&, const std::string&) override {
    return source_time;
  }

  std::vector<std::string> patterns;
  std::map<std::string, ContextState> named;
  std::optional<absl::Time> source_time;
};

inline Platform LinuxAmd64() { return Platform{.os = "linux", .architecture = "amd64"}; }

}  // namespace cairn::dockerfile
