//go:build race

package memory

// spoil makes rubbish of a piece: neither JSON nor text, nor what it was.
func spoil(piece []byte) {
	const rubbish = 0xa5
	if len(piece) > 0 {
		piece[0] = rubbish
	}
	for n := 1; n < len(piece); n *= 2 { // by copies: the detector looks at each access
		copy(piece[n:], piece[:n])
	}
}
