#!/bin/sh
# build.sh BASE OUT: header and stubs from the served WSDL, then the program OUT/client
set -eu
here=$(dirname "$0")
cd "$2"
wsdl2h -c -o yibao.h "$1/soap/inpatient?wsdl" "$1/soap/exchange?wsdl"
# -C client only, -c C, -x no sample messages, -L no library stubs
soapcpp2 -C -c -x -L yibao.h
# one table per service, all alike
set -- ./*.nsmap
cp "$1" client.nsmap.use
mv client.nsmap.use client.nsmap
gcc -O0 -w -I. -o client "$here/client.c" soapC.c soapClient.c -lgsoap
