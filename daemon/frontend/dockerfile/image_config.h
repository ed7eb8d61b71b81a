// ImageConfig: the JSON that describes how an image runs and how it was made.
//
// The OCI image config with Docker's additions (Healthcheck, OnBuild, Shell, ArgsEscaped). Fields
// of other origin are dropped, as every Dockerfile builder does. A value type.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct HealthcheckConfig {
  std::vector<std::string> test;
  absl::Duration interval;
  absl::Duration timeout;
  absl::Duration start_period;
  absl::Duration start_interval;
  int retries = 0;
};

struct HistoryEntry {
  std::optional<absl::Time> created;
  std::string created_by;
  std::string author;
  std::string comment;
  bool empty_layer = false;
};

struct ImageConfig {
  std::string created;  // RFC 3339, as read; "" is absent
  std::string author;
  Platform platform;
  std::vector<std::string> diff_ids;
  std::string rootfs_type = "layers";
  std::vector<HistoryEntry> history;

  std::string user;
  std::set<std::string> exposed_ports;
  std::vector<std::string> env;
  // Absent and empty differ: an empty CMD [] is kept.
  std::optional<std::vector<std::string>> entrypoint;
  std::optional<std::vector<std::string>> cmd;
  std::set<std::string> volumes;
  std::string working_dir;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  bool args_escaped = false;
  std::optional<HealthcheckConfig> healthcheck;
  std::vector<std::string> on_build;
  std::vector<std::string> shell;

  // Reads a config; fields of an unexpected type are errors.
  static StatusOr<ImageConfig> Parse(string_view json);

  // The config of an image of nothing for `platform`.
  static ImageConfig Empty(const Platform& platform);

  std::string ToJson() const;
};

// PATH where the image sets none.
constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// Go's format of a duration: "1m30s".
std::string GoDuration(absl::Duration duration);

}  // namespace cairn::dockerfile
