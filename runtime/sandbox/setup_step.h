// The stages of making a container, so that a failure says where it happened.
#pragma once

#include <cstdint>

namespace cairn::sandbox {

enum class SetupStep : uint8_t {
  kNone,
  kHelper,      // the helper program could not be started, or died
  kCgroup,      // making, limiting or entering the control group
  kNamespaces,  // new namespaces, host name
  kNetwork,
  kRoot,       // the root file system
  kMount,      // a mount inside it
  kUser,       // looking up the user
  kDirectory,  // the working directory
  kTerminal,
  kPrivileges,  // limits, capabilities, system call filter
  kExec,        // the program itself: missing, not executable
};

// A lower-case word for messages: "mount".
const char* SetupStepName(SetupStep step);

}  // namespace cairn::sandbox
