package gateway

import (
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v3"
)

const notImplemented = `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NotImplemented</Code><Message>This store does not encrypt at rest: what is sent must be sealed already.</Message></Error>`

// refuseEncryption answers 501 to who asks for encryption at rest: the gateway
// would take the headers and ignore them, which is worse than to say no.
func refuseEncryption(c fiber.Ctx) error {
	for name := range c.Request().Header.All() {
		if strings.HasPrefix(strings.ToLower(string(name)), "x-amz-server-side-encryption") {
			c.Set(fiber.HeaderContentType, fiber.MIMEApplicationXML)
			return c.Status(http.StatusNotImplemented).SendString(notImplemented)
		}
	}
	return c.Next()
}
