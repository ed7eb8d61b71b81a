// The config of an exported image: the frontend's, completed with the layers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "runtime/base/digest.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"

namespace cairn::exporter {

// One layer of the image, bottom first.
struct ConfigLayer {
  Digest diff_id;
  absl::Time created;
};

struct ImageConfigRequest {
  std::string config;       // the frontend's; empty: a default one for this machine
  std::string base_config;  // the base image's, whose history keeps its times; may be empty
  std::vector<ConfigLayer> layers;
  // No time may be later than this (Unix seconds).
  std::optional<int64_t> epoch;
  // A build cache to carry along; empty for none. What a base image carried is never passed on.
  std::string inline_cache;
};

// Sets rootfs, completes history and created. kInvalidArgument for a config without os and
// architecture. Fields that are not known are kept.
StatusOr<std::string> MakeImageConfig(const ImageConfigRequest& request);

// A config without layers and with the platform unknown/unknown, for attestations.
std::string MakeAttestationConfig(const std::vector<Digest>& layers);

// "2026-01-02T03:04:05.678Z", as Go writes times.
std::string FormatTimestamp(absl::Time time);

}  // namespace cairn::exporter
