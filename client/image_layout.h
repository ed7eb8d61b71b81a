// An OCI image layout (image-spec, image-layout.md) in a directory of this client: blobs that the
// daemon writes and reads over the session, and an index of the images by name.
//
// Thread-safe, except AddImage.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace cairn::client {

// Serves layouts by the names that the daemon knows them under ("export"). Each is a directory,
// made when it is first written to. What is written is checked against its digest.
std::unique_ptr<grpc::Service> MakeContentService(std::map<std::string, std::string> layouts);

// Lists the image with this descriptor (OCI JSON) in the layout's index, once for each of `names`
// ("docker.io/library/app:1"), in place of images that had these names. Without names it is listed
// as it is.
Status AddImage(const std::string& layout, const std::string& descriptor,
                const std::vector<std::string>& names);

// Lists the manifest with this descriptor (OCI JSON) under a tag alone, in place of what had that
// tag. For a build cache.
Status SetTag(const std::string& layout, const std::string& descriptor, const std::string& tag);

// The digest of what the layout lists under that tag alone; kNotFound when there is none.
StatusOr<std::string> FindTag(const std::string& layout, const std::string& tag);

}  // namespace cairn::client
