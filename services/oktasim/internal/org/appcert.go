package org

import (
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"time"
)

// modulus makes 2048 bits out of a key's id.
func modulus(kid string) *big.Int {
	b := stretch("modulus "+kid, 256)
	b[0] |= 0x80
	b[len(b)-1] |= 1
	return new(big.Int).SetBytes(b)
}

func stretch(seed string, n int) []byte {
	var out []byte
	for i := uint32(0); len(out) < n; i++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint32([]byte(seed), i))
		out = append(out, sum[:]...)
	}
	return out[:n]
}

// Algorithms and attributes of RFC 8017 and RFC 2985.
func sha256WithRSA() pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue}
}

func rsaEncryption() pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, Parameters: asn1.NullRawValue}
}

func emailAddress() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1} }

// selfSigned is a certificate as Okta makes it (RFC 5280, names recorded). Nobody holds the
// private key, and the signature is not one.
func selfSigned(kid, subdomain string, from, until time.Time) ([]byte, error) {
	name := distinguished(subdomain)
	public, err := publicKey(kid)
	if err != nil {
		return nil, err
	}
	type validity struct{ From, Until time.Time }
	var tbs struct {
		Version   int `asn1:"explicit,tag:0"`
		Serial    *big.Int
		Algorithm pkix.AlgorithmIdentifier
		Issuer    pkix.RDNSequence
		Validity  validity
		Subject   pkix.RDNSequence
		Public    asn1.RawValue
	}
	tbs.Version, tbs.Serial = 2, new(big.Int).SetInt64(from.UnixMilli())
	tbs.Algorithm = sha256WithRSA()
	tbs.Issuer, tbs.Subject = name, name
	tbs.Validity, tbs.Public = validity{from.Add(-time.Minute), until}, asn1.RawValue{FullBytes: public}
	return sealed(kid, tbs)
}

// sealed puts a signature of the right form under a body.
func sealed(kid string, body any) ([]byte, error) {
	signature := stretch("signature "+kid, 256)
	der, err := asn1.Marshal(struct {
		Body      any
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{body, sha256WithRSA(), asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return der, nil
}

func publicKey(kid string) ([]byte, error) {
	key, err := asn1.Marshal(struct {
		N *big.Int
		E int
	}{modulus(kid), 65537})
	if err != nil {
		return nil, fmt.Errorf("make public key: %w", err)
	}
	info, err := asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{rsaEncryption(), asn1.BitString{Bytes: key, BitLength: 8 * len(key)}})
	if err != nil {
		return nil, fmt.Errorf("make public key: %w", err)
	}
	return info, nil
}

// distinguished is the name under which Okta signs for an org (recorded).
func distinguished(subdomain string) pkix.RDNSequence {
	return pkix.Name{
		Country: []string{"US"}, Province: []string{"California"}, Locality: []string{"San Francisco"},
		Organization: []string{"Okta"}, OrganizationalUnit: []string{"SSOProvider"}, CommonName: subdomain,
		ExtraNames: []pkix.AttributeTypeAndValue{{Type: emailAddress(), Value: "info@okta.com"}},
	}.ToRDNSequence()
}
