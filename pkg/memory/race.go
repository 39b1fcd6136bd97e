//go:build race

package memory

// spoil makes rubbish of a piece: neither JSON nor text, nor what it was.
func spoil(piece []byte) {
	for i := range piece {
		piece[i] = 0xa5
	}
}
