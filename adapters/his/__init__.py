"""Ways to a hospital's own records: implementations of ``gateway.stays.hospital.HospitalRecords``."""
