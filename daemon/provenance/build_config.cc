#include "daemon/provenance/build_config.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "daemon/llb/graph.h"

namespace cairn::provenance {
namespace {

using Json = nlohmann::ordered_json;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

Json ToJson(const Message& message);

std::string Base64(const std::string& bytes) {
  std::string text;
  absl::Base64Escape(bytes, &text);
  return text;
}

// One value of a field; `index` is -1 for a field that is not repeated.
Json ValueOf(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool many = index >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return many ? reflection.GetRepeatedInt32(message, field, index)
                  : reflection.GetInt32(message, field);
    case FieldDescriptor::CPPTYPE_INT64:
      return many ? reflection.GetRepeatedInt64(message, field, index)
                  : reflection.GetInt64(message, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return many ? reflection.GetRepeatedUInt32(message, field, index)
                  : reflection.GetUInt32(message, field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return many ? reflection.GetRepeatedUInt64(message, field, index)
                  : reflection.GetUInt64(message, field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return many ? reflection.GetRepeatedDouble(message, field, index)
                  : reflection.GetDouble(message, field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return many ? reflection.GetRepeatedFloat(message, field, index)
                  : reflection.GetFloat(message, field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return many ? reflection.GetRepeatedBool(message, field, index)
                  : reflection.GetBool(message, field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return many ? reflection.GetRepeatedEnumValue(message, field, index)
                  : reflection.GetEnumValue(message, field);
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = many ? reflection.GetRepeatedString(message, field, index)
                                    : reflection.GetString(message, field);
      return field->type() == FieldDescriptor::TYPE_BYTES ? Base64(text) : text;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToJson(many ? reflection.GetRepeatedMessage(message, field, index)
                         : reflection.GetMessage(message, field));
  }
  return nullptr;
}

Json MapOf(const Message& message, const FieldDescriptor* field) {
  const Reflection& reflection = *message.GetReflection();
  std::map<std::string, Json> sorted;
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, field, i);
    const auto* type = entry.GetDescriptor();
    sorted[entry.GetReflection()->GetString(entry, type->map_key())] =
        ValueOf(entry, type->map_value(), -1);
  }
  Json out = Json::object();
  for (auto& [key, value] : sorted) {
    out[key] = std::move(value);
  }
  return out;
}

// Members of a oneof are below its name: "Op", "Action", "User".
std::string OneofName(const std::string& name) {
  std::string out = name;
  out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

// Whether Go writes this field of the message although it is zero.
bool IsAlwaysThere(const FieldDescriptor* field) {
  return field->containing_type()->name() == "FileAction" &&
         field->real_containing_oneof() == nullptr;
}

Json ToJson(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const auto* type = message.GetDescriptor();
  Json out = Json::object();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const auto* oneof = field->real_containing_oneof();
    if (oneof != nullptr) {
      Json& member = out[OneofName(oneof->name())];
      if (member.is_null()) {
        member = Json::object();
      }
      if (reflection.HasField(message, field)) {
        member[field->name() == "byID" ? "byId" : field->name()] = ValueOf(message, field, -1);
      }
    } else if (field->is_map()) {
      if (reflection.FieldSize(message, field) > 0) {
        out[field->name()] = MapOf(message, field);
      }
    } else if (field->is_repeated()) {
      for (int k = 0; k < reflection.FieldSize(message, field); ++k) {
        out[field->name()].push_back(ValueOf(message, field, k));
      }
    } else if (reflection.HasField(message, field) || IsAlwaysThere(field)) {
      out[field->name()] = ValueOf(message, field, -1);
    }
  }
  return out;
}

std::string Print(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Inputs before their users, in the order in which a walk from the target meets them.
std::vector<const llb::Vertex*> WalkOrder(const llb::Graph& graph) {
  std::vector<const llb::Vertex*> order;
  std::map<Digest, bool> seen;
  // The walk keeps its own stack: a graph may be deeper than a thread's.
  std::vector<std::pair<const llb::Vertex*, size_t>> stack;
  const auto enter = [&](const Digest& digest) {
    if (!std::exchange(seen[digest], true)) {
      stack.emplace_back(graph.Find(digest), 0);
    }
  };
  enter(graph.target()->vertex);
  while (!stack.empty()) {
    auto& [vertex, next] = stack.back();
    if (next == vertex->inputs.size()) {
      order.push_back(vertex);
      stack.pop_back();
    } else {
      enter(vertex->inputs[next++].vertex);
    }
  }
  return order;
}

Json StepJson(int index, pb::Op op, const std::vector<std::string>& inputs) {
  op.clear_inputs();
  if (op.has_source()) {
    op.mutable_source()->mutable_attrs()->erase("local.session");
    op.mutable_source()->mutable_attrs()->erase("local.unique");
  }
  Json step = {{"id", absl::StrCat("step", index)}, {"op", ToJson(op)}};
  if (!inputs.empty()) {
    step["inputs"] = inputs;
  }
  return step;
}

}  // namespace

StatusOr<BuildConfig> MakeBuildConfig(const pb::Definition& definition) {
  BuildConfig config;
  ASSIGN_OR_RETURN(const llb::Graph graph, llb::Graph::LoadOrScratch(definition));
  if (!graph.target().has_value()) {
    return config;
  }
  for (const llb::Vertex* vertex : WalkOrder(graph)) {
    const int index = static_cast<int>(config.steps.size());
    std::vector<std::string> inputs;
    for (const llb::Edge& input : vertex->inputs) {
      inputs.push_back(absl::StrCat("step", config.indexes.at(input.vertex), ":", input.index));
    }
    config.steps.push_back(Print(StepJson(index, *vertex->op, inputs)));
    config.indexes[vertex->digest] = index;
  }
  // The last op of a definition has no operation: it only names the target.
  pb::Op last;
  last.ParseFromString(*definition.def().rbegin());
  const int index = static_cast<int>(config.steps.size());
  config.steps.push_back(
      Print(StepJson(index, last,
                     {absl::StrCat("step", config.indexes.at(graph.target()->vertex), ":",
                                   graph.target()->index)})));
  config.indexes[Digest::Of(*definition.def().rbegin())] = index;
  return config;
}

std::string MessageJson(const Message& message) { return Print(ToJson(message)); }

}  // namespace cairn::provenance
