// Carries bytes between a connected socket and a stream of messages.
//
// A full socket stops the reading of the stream and a slow stream stops the reading of the socket,
// so flow control reaches from end to end.
#pragma once

#include "runtime/base/duplex_stream.h"

namespace cairn {

// Carries bytes both ways until both directions have ended; uses the calling thread and one more.
// The end of one direction is passed on and leaves the other open; a broken stream ends both, and
// so does a socket that takes no more. To end it from outside: shutdown(2) the socket and Close the
// stream.
void CarryBytes(int socket, DuplexStream& stream);

}  // namespace cairn
