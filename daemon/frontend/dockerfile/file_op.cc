#include "daemon/frontend/dockerfile/file_op.h"

namespace cairn::dockerfile {

FileOp::FileOp(const llb::Output& base)
    : node_(std::make_shared<llb::Node>()), base_input_(node_->AddInput(base)) {
  node_->op.mutable_file();
  node_->op.mutable_constraints();
  node_->AddCapability("file.base");
}

pb::FileAction* FileOp::Add(const llb::Output& source) {
  pb::FileAction* action = node_->op.mutable_file()->add_actions();
  action->set_input(base_input_);
  action->set_secondaryinput(node_->AddInput(source));
  action->set_output(-1);
  return action;
}

llb::Output FileOp::Finish() {
  auto& actions = *node_->op.mutable_file()->mutable_actions();
  // Results of actions are numbered after the inputs.
  const auto inputs = static_cast<int64_t>(node_->inputs.size());
  for (int i = 1; i < actions.size(); ++i) {
    actions[i].set_input(inputs + i - 1);
  }
  actions[actions.size() - 1].set_output(0);
  return llb::Output{node_};
}

}  // namespace cairn::dockerfile
