#include "daemon/llb/builder.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace cairn::llb {
namespace {

// Map fields in key order, so that equal ops have equal digests.
std::string Serialize(const pb::Op& op) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    op.SerializeToCodedStream(&coded);
  }
  return bytes;
}

// Serialises nodes once each, inputs first.
class Marshaler {
 public:
  // The digest of `target`'s op; everything it needs was added before.
  Digest Add(Node* target) {
    struct Frame {
      Node* node;
      size_t next;
    };
    std::vector<Frame> stack = {{target, 0}};
    while (!stack.empty()) {
      Frame& frame = stack.back();
      if (digests_.contains(frame.node)) {
        stack.pop_back();
      } else if (frame.next < frame.node->inputs.size()) {
        Node* input = frame.node->inputs[frame.next++].node.get();
        stack.push_back({input, 0});
      } else {
        Emit(*frame.node);
        stack.pop_back();
      }
    }
    return digests_.at(target);
  }

  pb::Definition Finish(const Output& target) {
    pb::Op head;
    pb::Input* input = head.add_inputs();
    input->set_digest(digests_.at(target.node.get()).ToString());
    input->set_index(target.index);
    std::string bytes = Serialize(head);
    AddHeadMetadata(Digest::Of(bytes));
    definition_.add_def(std::move(bytes));
    return std::move(definition_);
  }

 private:
  void Emit(const Node& node) {
    std::string bytes = node.original_bytes;
    if (bytes.empty()) {
      pb::Op op = node.op;
      for (const Output& input : node.inputs) {
        pb::Input* wire = op.add_inputs();
        wire->set_digest(digests_.at(input.node.get()).ToString());
        wire->set_index(input.index);
      }
      bytes = Serialize(op);
    }
    const Digest digest = Digest::Of(bytes);
    const std::string text = digest.ToString();
    digests_.emplace(&node, digest);
    (*definition_.mutable_metadata())[text].MergeFrom(node.metadata);
    AddLocations(text, node.locations);
    if (emitted_.insert(digest).second) {
      definition_.add_def(std::move(bytes));
    }
  }

  // Every vertex has an entry, as BuildKit's client gives it one.
  void AddLocations(const std::string& digest, const std::vector<SourceLocation>& locations) {
    pb::Locations& listed = (*definition_.mutable_source()->mutable_locations())[digest];
    for (const SourceLocation& location : locations) {
      pb::Location* wire = listed.add_locations();
      wire->set_sourceindex(FileIndex(location.file));
      for (const SourceRange& range : location.ranges) {
        pb::Range* added = wire->add_ranges();
        added->mutable_start()->set_line(range.start.line);
        added->mutable_start()->set_character(range.start.character);
        added->mutable_end()->set_line(range.end.line);
        added->mutable_end()->set_character(range.end.character);
      }
    }
  }

  int FileIndex(const std::shared_ptr<const SourceFile>& file) {
    const auto known = files_.find(file.get());
    if (known != files_.end()) {
      return known->second;
    }
    // A graph that came as an input may have brought the same file.
    const auto [found, is_new] = texts_.try_emplace(
        std::tuple(file->filename, file->language, file->data), static_cast<int>(texts_.size()));
    files_.emplace(file.get(), found->second);
    if (is_new) {
      pb::SourceInfo* info = definition_.mutable_source()->add_infos();
      info->set_filename(file->filename);
      info->set_language(file->language);
      info->set_data(file->data);
      if (file->definition != nullptr) {
        *info->mutable_definition() = *file->definition;
      }
    }
    return found->second;
  }

  void AddHeadMetadata(const Digest& head) {
    auto& all = *definition_.mutable_metadata();
    bool ignores_cache = false;
    bool has_description = false;
    bool has_export = false;
    for (const auto& [digest, metadata] : all) {
      ignores_cache = ignores_cache || metadata.ignore_cache();
      has_description = has_description || !metadata.description().empty();
      has_export = has_export || metadata.has_export_cache();
    }
    auto& caps = *all[head.ToString()].mutable_caps();
    caps["constraints"] = true;
    caps["platform"] = true;
    if (ignores_cache) {
      caps["meta.ignorecache"] = true;
    }
    if (has_description) {
      caps["meta.description"] = true;
    }
    if (has_export) {
      caps["meta.exportcache"] = true;
    }
  }

  pb::Definition definition_;
  absl::flat_hash_map<const Node*, Digest> digests_;
  absl::flat_hash_set<Digest> emitted_;
  absl::flat_hash_map<const SourceFile*, int> files_;
  std::map<std::tuple<std::string, std::string, std::string>, int> texts_;  // the same by content
};

}  // namespace

int64_t Node::AddInput(const Output& input) {
  if (input.is_scratch()) {
    return -1;
  }
  auto found = std::find(inputs.begin(), inputs.end(), input);
  if (found == inputs.end()) {
    inputs.push_back(input);
    return static_cast<int64_t>(inputs.size()) - 1;
  }
  return found - inputs.begin();
}

pb::Definition Marshal(const Output& target) {
  if (target.is_scratch()) {
    return pb::Definition();
  }
  Marshaler marshaler;
  marshaler.Add(target.node.get());
  return marshaler.Finish(target);
}

Digest DigestOf(const Output& output) { return Marshaler().Add(output.node.get()); }

Output FromGraph(const Graph& graph) {
  if (!graph.target().has_value()) {
    return Output();
  }
  absl::flat_hash_map<Digest, std::shared_ptr<Node>> nodes;
  for (const std::shared_ptr<const Vertex>& vertex : graph.vertices()) {
    auto node = std::make_shared<Node>();
    node->op = *vertex->op;
    node->op.clear_inputs();
    node->metadata = *vertex->metadata;
    node->locations = vertex->locations;
    node->original_bytes = vertex->bytes;
    for (const Edge& input : vertex->inputs) {
      node->inputs.push_back(Output{nodes.at(input.vertex), input.index});
    }
    nodes.emplace(vertex->digest, std::move(node));
  }
  return Output{nodes.at(graph.target()->vertex), graph.target()->index};
}

Output Source(const std::string& identifier) {
  auto node = std::make_shared<Node>();
  node->op.mutable_source()->set_identifier(identifier);
  node->op.mutable_constraints();
  return Output{std::move(node)};
}

Output Merge(const std::vector<Output>& inputs) {
  std::vector<Output> present;
  std::copy_if(inputs.begin(), inputs.end(), std::back_inserter(present),
               [](const Output& input) { return !input.is_scratch(); });
  if (present.size() < 2) {
    return present.empty() ? Output() : present[0];
  }
  auto node = std::make_shared<Node>();
  node->AddCapability("mergeop");
  for (const Output& input : present) {
    node->op.mutable_merge()->add_inputs()->set_input(static_cast<int64_t>(node->inputs.size()));
    node->inputs.push_back(input);
  }
  node->op.mutable_constraints();
  return Output{std::move(node)};
}

}  // namespace cairn::llb
