#!/bin/sh
# build.sh BASE OUT: proxies from the served WSDL, then the program OUT/Client.exe
set -eu
here=$(dirname "$0")
cd "$2"
for service in inpatient exchange; do
    # the namespace keeps the two generated files apart
    name=$(echo "$service" | sed 's/inpatient/Inpatient/; s/exchange/Exchange/')
    wsdl "$1/soap/$service?wsdl" "-namespace:Yibao.$name" "-out:$name.cs"
done
# the tool names the proxy class after the wsdl:service
proxy() { sed -n 's/.*public partial class \([A-Za-z0-9_]*\) : .*SoapHttpClientProtocol.*/\1/p' "$1" | head -n 1; }
sed "s/INPATIENT_PROXY/$(proxy Inpatient.cs)/g; s/EXCHANGE_PROXY/$(proxy Exchange.cs)/g" "$here/Client.cs" > Client.cs
mcs -nologo -out:Client.exe -r:System.Web.Services -r:System.Xml.Linq Client.cs Inpatient.cs Exchange.cs
