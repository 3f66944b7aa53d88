"""The insurance gateway: hospital SOAP in, signed national interface out."""
