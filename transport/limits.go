package transport

import (
	"bytes"
	"encoding/binary"
)

// OpenSSH's client sends 255 KiB at once to a server that says it takes them, and 32 KiB to one that does not: eight times
// the packets, answers and wake-ups, for which a large upload cost an eighth more processor time here. The protocol library
// takes packets of 256 KiB, but has no word for it; so the stretch says it for it.
//
// Source: OpenSSH, PROTOCOL, section 4.8 (limits@openssh.com, version 1).
const (
	largestPacket = 256 << 10 // the protocol library's
	largestData   = largestPacket - 1024
	limitsName    = "limits@openssh.com"
)

// The kinds of packets that are seen to here.
const (
	packetVersion       = 2
	packetExtended      = 200
	packetExtendedReply = 201
)

// limitsAsked is a request for the limits, but for its id, which is at limitsID.
var limitsAsked = appendText([]byte{packetExtended, 0, 0, 0, 0}, limitsName)

const limitsID, limitsIDEnd = 1, 5

// isLimitsRequest says whether a packet, without its length, asks for the limits.
func isLimitsRequest(packet []byte) bool {
	return len(packet) == len(limitsAsked) && packet[0] == packetExtended &&
		bytes.Equal(packet[limitsIDEnd:], limitsAsked[limitsIDEnd:])
}

// limitsAnswer is the answer to such a request: the largest packet, read and write in bytes, and the most open handles.
func limitsAnswer(request []byte, handles int) []byte {
	answer := append([]byte{0, 0, 0, 0, packetExtendedReply}, request[limitsID:limitsIDEnd]...)
	for _, limit := range []int{largestPacket, largestData, largestData, handles} {
		answer = binary.BigEndian.AppendUint64(answer, uint64(limit))
	}
	return measured(answer)
}

// offerLimits adds the extension to the answer that names the protocol's version, with its length in front. Other answers
// stay as they are.
func offerLimits(answer []byte) []byte {
	if len(answer) <= len(head{}) || answer[len(head{})] != packetVersion {
		return answer
	}
	return measured(appendText(appendText(answer, limitsName), "1"))
}

// measured writes a packet's length into its head.
func measured(packet []byte) []byte {
	binary.BigEndian.PutUint32(packet, uint32(len(packet)-len(head{})))
	return packet
}

func appendText(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}
