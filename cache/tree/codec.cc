#include "cache/tree/codec.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/tree.pb.h"

namespace cairn::tree {
namespace {

namespace wire = ::build::bazel::remote::execution::v2;

constexpr size_t kMaxName = 255;
constexpr size_t kMaxTarget = 4095;
constexpr int64_t kNanoseconds = 1'000'000'000;

enum class Form { kStored, kContent };

std::string BytesOf(string_view text) { return std::string(text.data(), text.size()); }

void PutMetadata(const fs::Metadata& metadata, Form form, wire::NodeProperties& out) {
  if (form == Form::kStored) {
    int64_t seconds = metadata.mtime_ns / kNanoseconds;
    int64_t rest = metadata.mtime_ns % kNanoseconds;
    if (rest < 0) {
      rest += kNanoseconds;
      --seconds;
    }
    out.mutable_mtime()->set_seconds(seconds);
    out.mutable_mtime()->set_nanos(static_cast<int32_t>(rest));
  }
  out.mutable_unix_mode()->set_value(metadata.mode);
  out.set_uid(metadata.uid);
  out.set_gid(metadata.gid);
  for (const auto& [name, value] : metadata.xattrs) {
    wire::ExtendedAttribute& attribute = *out.add_xattrs();
    attribute.set_name(name);
    attribute.set_value(value);
  }
}

void PutDigest(const Digest& digest, uint64_t size, wire::Digest& out) {
  out.set_hash(digest.hex());
  out.set_size_bytes(static_cast<int64_t>(size));
}

void PutEntry(const Entry& entry, Form form, wire::Directory& out) {
  switch (entry.type) {
    case Entry::Type::kFile: {
      wire::FileNode& node = *out.add_files();
      node.set_name(entry.name);
      PutDigest(*entry.file, entry.size, *node.mutable_digest());
      node.set_is_executable((entry.metadata.mode & 0100) != 0);
      PutMetadata(entry.metadata, form, *node.mutable_node_properties());
      if (form == Form::kStored) {
        node.set_link_group(entry.link_group);
      }
      return;
    }
    case Entry::Type::kDirectory: {
      wire::DirectoryNode& node = *out.add_directories();
      node.set_name(entry.name);
      if (form == Form::kContent) {
        PutDigest(entry.directory->content, 0, *node.mutable_digest());
        return;
      }
      PutDigest(entry.directory->digest, entry.directory->encoded_size, *node.mutable_digest());
      node.set_content(BytesOf(entry.directory->content.raw()));
      node.set_bytes(entry.directory->bytes);
      node.set_entries(entry.directory->entries);
      node.set_traits(entry.directory->traits);
      return;
    }
    case Entry::Type::kSymlink: {
      wire::SymlinkNode& node = *out.add_symlinks();
      node.set_name(entry.name);
      node.set_target(entry.target);
      PutMetadata(entry.metadata, form, *node.mutable_node_properties());
      return;
    }
    case Entry::Type::kFifo:
    case Entry::Type::kCharDevice:
    case Entry::Type::kBlockDevice: {
      wire::SpecialNode& node = *out.add_specials();
      node.set_name(entry.name);
      node.set_type(entry.type == Entry::Type::kFifo         ? wire::SpecialNode::FIFO
                    : entry.type == Entry::Type::kCharDevice ? wire::SpecialNode::CHARACTER_DEVICE
                                                             : wire::SpecialNode::BLOCK_DEVICE);
      node.set_device(entry.device);
      PutMetadata(entry.metadata, form, *node.mutable_node_properties());
      return;
    }
    case Entry::Type::kWhiteout:
      out.add_whiteouts(entry.name);
      return;
  }
}

// Serialises without maps or unknown fields, which is what makes protobuf deterministic.
std::string Serialise(const Directory& directory, Form form) {
  google::protobuf::Arena arena;
  auto& out = *google::protobuf::Arena::CreateMessage<wire::Directory>(&arena);
  PutMetadata(directory.metadata, form, *out.mutable_node_properties());
  out.set_opaque(directory.opaque);
  out.set_implied(directory.implied);
  out.set_touched(directory.touched);
  for (const Entry& entry : directory.entries) {
    PutEntry(entry, form, out);
  }
  return out.SerializeAsString();
}

Status ValidateName(string_view name) {
  if (name.empty() || name == "." || name == ".." || name.size() > kMaxName ||
      absl::StrContains(name, '/') || absl::StrContains(name, '\0')) {
    return absl::InvalidArgumentError(
        absl::StrCat("bad file name \"", absl::CHexEscape(name), "\""));
  }
  return absl::OkStatus();
}

Status ValidateEntry(const Entry& entry) {
  RETURN_IF_ERROR(ValidateName(entry.name));
  const bool complete = entry.type == Entry::Type::kFile        ? entry.file.has_value()
                        : entry.type == Entry::Type::kDirectory ? entry.directory.has_value()
                                                                : true;
  if (!complete) {
    return absl::InvalidArgumentError(absl::StrCat("entry ", entry.name, " has no digest"));
  }
  if (entry.type == Entry::Type::kSymlink &&
      (entry.target.empty() || entry.target.size() > kMaxTarget ||
       absl::StrContains(entry.target, '\0'))) {
    return absl::InvalidArgumentError(absl::StrCat("bad target of link ", entry.name));
  }
  return absl::OkStatus();
}

StatusOr<fs::Metadata> GetMetadata(const wire::NodeProperties& in) {
  fs::Metadata metadata;
  metadata.mode = in.unix_mode().value();
  metadata.uid = in.uid();
  metadata.gid = in.gid();
  metadata.mtime_ns = fs::ToNanoseconds(in.mtime().seconds(), in.mtime().nanos());
  for (const wire::ExtendedAttribute& attribute : in.xattrs()) {
    if (!metadata.xattrs.emplace(attribute.name(), attribute.value()).second) {
      return absl::InvalidArgumentError("an attribute twice");
    }
  }
  return metadata;
}

StatusOr<Entry> GetFile(const wire::FileNode& node) {
  Entry entry;
  entry.name = node.name();
  entry.type = Entry::Type::kFile;
  ASSIGN_OR_RETURN(entry.file, Digest::FromHex(node.digest().hash()));
  if (node.digest().size_bytes() < 0) {
    return absl::InvalidArgumentError(absl::StrCat("negative size of ", node.name()));
  }
  entry.size = static_cast<uint64_t>(node.digest().size_bytes());
  ASSIGN_OR_RETURN(entry.metadata, GetMetadata(node.node_properties()));
  entry.link_group = node.link_group();
  return entry;
}

StatusOr<Entry> GetDirectory(const wire::DirectoryNode& node) {
  ASSIGN_OR_RETURN(const Digest digest, Digest::FromHex(node.digest().hash()));
  ASSIGN_OR_RETURN(const Digest content, Digest::FromRaw(node.content()));
  if (node.digest().size_bytes() < 0) {
    return absl::InvalidArgumentError(absl::StrCat("negative size of ", node.name()));
  }
  Entry entry;
  entry.name = node.name();
  entry.type = Entry::Type::kDirectory;
  entry.directory = TreeRef{digest,
                            content,
                            node.bytes(),
                            node.entries(),
                            static_cast<uint64_t>(node.digest().size_bytes()),
                            node.traits()};
  return entry;
}

StatusOr<Entry> GetSpecial(const wire::SpecialNode& node) {
  Entry entry;
  entry.name = node.name();
  switch (node.type()) {
    case wire::SpecialNode::FIFO:
      entry.type = Entry::Type::kFifo;
      break;
    case wire::SpecialNode::CHARACTER_DEVICE:
      entry.type = Entry::Type::kCharDevice;
      break;
    case wire::SpecialNode::BLOCK_DEVICE:
      entry.type = Entry::Type::kBlockDevice;
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat("unknown type of ", node.name()));
  }
  entry.device = node.device();
  ASSIGN_OR_RETURN(entry.metadata, GetMetadata(node.node_properties()));
  return entry;
}

StatusOr<Directory> FromWire(const wire::Directory& in) {
  Directory directory;
  ASSIGN_OR_RETURN(directory.metadata, GetMetadata(in.node_properties()));
  directory.opaque = in.opaque();
  directory.implied = in.implied();
  directory.touched = in.touched();
  std::vector<Entry>& entries = directory.entries;
  entries.reserve(static_cast<size_t>(in.files_size()) + in.directories_size() +
                  in.symlinks_size() + in.specials_size() + in.whiteouts_size());
  for (const wire::FileNode& node : in.files()) {
    ASSIGN_OR_RETURN(Entry entry, GetFile(node));
    entries.push_back(std::move(entry));
  }
  for (const wire::DirectoryNode& node : in.directories()) {
    ASSIGN_OR_RETURN(Entry entry, GetDirectory(node));
    entries.push_back(std::move(entry));
  }
  for (const wire::SymlinkNode& node : in.symlinks()) {
    Entry entry;
    entry.name = node.name();
    entry.type = Entry::Type::kSymlink;
    entry.target = node.target();
    ASSIGN_OR_RETURN(entry.metadata, GetMetadata(node.node_properties()));
    entries.push_back(std::move(entry));
  }
  for (const wire::SpecialNode& node : in.specials()) {
    ASSIGN_OR_RETURN(Entry entry, GetSpecial(node));
    entries.push_back(std::move(entry));
  }
  for (const std::string& name : in.whiteouts()) {
    Entry entry;
    entry.name = name;
    entry.type = Entry::Type::kWhiteout;
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  RETURN_IF_ERROR(Validate(directory));
  return directory;
}

}  // namespace

Status Validate(const Directory& directory) {
  const Entry* previous = nullptr;
  for (const Entry& entry : directory.entries) {
    RETURN_IF_ERROR(ValidateEntry(entry));
    if (previous != nullptr && previous->name >= entry.name) {
      return absl::InvalidArgumentError(
          absl::StrCat("entry ", entry.name, " comes after ", previous->name));
    }
    previous = &entry;
  }
  return absl::OkStatus();
}

std::string Encode(const Directory& directory) { return Serialise(directory, Form::kStored); }

Digest ContentOf(const Directory& directory) {
  return Digest::Of(Serialise(directory, Form::kContent));
}

StatusOr<Directory> Decode(string_view bytes) {
  google::protobuf::Arena arena;
  auto& in = *google::protobuf::Arena::CreateMessage<wire::Directory>(&arena);
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError("decode directory: not a Directory message");
  }
  StatusOr<Directory> directory = FromWire(in);
  if (!directory.ok()) {
    return absl::DataLossError(absl::StrCat("decode directory: ", directory.status().message()));
  }
  return directory;
}

TreeRef Describe(const Directory& directory, const Digest& digest, uint64_t encoded_size) {
  TreeRef ref{digest, ContentOf(directory), 0, directory.entries.size(), encoded_size, 0};
  if (directory.opaque) {
    ref.traits |= TreeRef::kHasWhiteouts;
  }
  if (directory.implied) {
    ref.traits |= TreeRef::kHasImplied;
  }
  if (directory.touched) {
    ref.traits |= TreeRef::kHasTouched;
  }
  for (const Entry& entry : directory.entries) {
    if (entry.type == Entry::Type::kFile) {
      ref.bytes += entry.size;
      if (entry.link_group != 0) {
        ref.traits |= TreeRef::kHasLinkGroups;
      }
    } else if (entry.type == Entry::Type::kDirectory) {
      ref.bytes += entry.directory->bytes;
      ref.entries += entry.directory->entries;
      ref.traits |= entry.directory->traits;
    } else if (entry.type == Entry::Type::kWhiteout) {
      ref.traits |= TreeRef::kHasWhiteouts;
    }
  }
  return ref;
}

}  // namespace cairn::tree
