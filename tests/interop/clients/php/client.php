<?php
// The story of README.md told by PHP's ext-soap: php client.php [--charset=GBK] BASE SOAP DAY  A(psn certno insutype ipt)  B(...)
// With --charset=GBK every string of this program is GBK, as in an old PHP HIS; ext-soap converts on the way.

$charset = 'UTF-8';
if (str_starts_with($argv[1], '--charset=')) {
    $charset = substr($argv[1], 10);
    array_splice($argv, 1, 1);
}
[, $base, $soap, $day] = $argv;
$patients = array_chunk(array_slice($argv, 4), 4);

function client(string $service, array $more = []): SoapClient
{
    global $base, $soap, $charset;
    return new SoapClient("$base/soap/$service?wsdl", $more + [
        'soap_version' => $soap === '1.2' ? SOAP_1_2 : SOAP_1_1,
        'encoding' => $charset,
        'cache_wsdl' => WSDL_CACHE_NONE,
        'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
        'connection_timeout' => 10,
    ]);
}

/** A text of this file in the program's charset. */
function own(mixed $value): mixed
{
    global $charset;
    return is_array($value) ? array_map('own', $value) : mb_convert_encoding((string) $value, $charset, 'UTF-8');
}

function utf8(string $value): string
{
    global $charset;
    return mb_convert_encoding($value, 'UTF-8', $charset);
}

/** A fault's detail as it came, for the reader of the result. */
function shown(mixed $value): mixed
{
    return is_string($value) ? utf8($value) : (is_object($value) ? array_map('shown', get_object_vars($value)) : $value);
}

function head(): array
{
    return own(['opter' => '0001', 'opter_name' => '张三', 'opter_type' => '1']);
}

function admission(array $patient): array
{
    global $day;
    [$psn_no, $certno, $insutype, $ipt_no] = $patient;
    $diagnosis = fn (int $n, string $code, string $name): array => [
        'psn_no' => $psn_no, 'diag_type' => '1', 'maindiag_flag' => $n === 1 ? '1' : '0', 'diag_srt_no' => $n,
        'diag_code' => $code, 'diag_name' => $name, 'diag_dept' => 'A01', 'dise_dor_no' => 'D001',
        'dise_dor_name' => '欧阳修远', 'diag_time' => "$day 09:40:00",
    ];
    return own([
        'mdtrtinfo' => [
            'psn_no' => $psn_no, 'insutype' => $insutype, 'coner_name' => '李四', 'tel' => '13800000000',
            'begntime' => "$day 09:30:00", 'mdtrt_cert_type' => '02', 'mdtrt_cert_no' => $certno, 'med_type' => '21',
            'ipt_no' => $ipt_no, 'atddr_no' => 'D001', 'chfpdr_name' => '欧阳修远', 'adm_diag_dscr' => '急性阑尾炎',
            'adm_dept_codg' => 'A01', 'adm_dept_name' => '普通外科', 'adm_bed' => '12床',
            'dscg_maindiag_code' => 'K35.800', 'dscg_maindiag_name' => '急性阑尾炎',
        ],
        'diseinfo' => [$diagnosis(1, 'K35.800', '急性阑尾炎'), $diagnosis(2, 'I10.x00', '高血压病（２级）')],
    ]);
}

function yuan(int $cents): string
{
    return sprintf('%d.%02d', intdiv($cents, 100), $cents % 100);
}

function fees(array $patient, string $mdtrt_id): array
{
    global $day;
    $rows = [];
    for ($i = 1; $i <= 500; $i++) {
        $cnt = 1 + $i % 4;
        $price = 105 + 37 * $i;
        $rows[] = own([
            'feedetl_sn' => sprintf('%s-%03d', $patient[3], $i), 'mdtrt_id' => $mdtrt_id, 'psn_no' => $patient[0],
            'med_type' => '21', 'fee_ocur_time' => sprintf('%s 10:%02d:%02d', $day, intdiv($i, 60), $i % 60),
            'med_list_codg' => 'XA02BCA001A001010101', 'medins_list_codg' => "YP$i",
            'det_item_fee_sumamt' => yuan($cnt * $price), 'cnt' => $cnt, 'pric' => yuan($price),
            'bilg_dept_codg' => 'A01', 'bilg_dept_name' => '普通外科', 'bilg_dr_codg' => 'D001',
            'bilg_dr_name' => '欧阳修远', 'memo' => "阿莫西林胶囊（０．２５ｇ×２４粒）第{$i}行",
        ]);
    }
    return $rows;
}

function told(iterable $rows): array
{
    $cents = 0;
    $count = 0;
    foreach ($rows as $row) {
        $cents += (int) round(((float) $row->det_item_fee_sumamt) * 100);
        $count++;
    }
    return ['rows' => $count, 'sum' => yuan($cents)];
}

function accepted(object $reply): object
{
    if ((string) $reply->infcode !== '0') {
        throw new RuntimeException(utf8("{$reply->code} {$reply->err_msg}"));
    }
    return $reply;
}

function typed(array $patient): array
{
    $service = client('inpatient');
    $stay = accepted($service->Txn2401(['head' => head()] + admission($patient)))->output->result->mdtrt_id;
    $answer = accepted($service->Txn2301(['head' => head(), 'feedetail' => fees($patient, $stay)]));
    return ['mdtrt_id' => $stay] + told($answer->output->result);
}

/** Nested arrays as XML text; a list repeats its element. */
function xml(string $tag, mixed $value): string
{
    if (!is_array($value)) {
        return "<$tag>" . htmlspecialchars($value, ENT_XML1 | ENT_NOQUOTES, 'ISO-8859-1') . "</$tag>";
    }
    if (array_is_list($value)) {
        return implode('', array_map(fn ($item) => xml($tag, $item), $value));
    }
    return "<$tag>" . implode('', array_map(xml(...), array_keys($value), $value)) . "</$tag>";
}

function exchange(string $infno, array $input): object
{
    $request = xml('request', ['head' => head(), 'input' => $input]);
    $answer = client('exchange')->Call(['infno' => $infno, 'request' => $request])->CallResult;
    // the text already arrived in this program's charset, whatever its declaration said on the wire
    return accepted(simplexml_load_string(preg_replace('/^\s*<\?xml.*?\?>/', '', utf8($answer))));
}

function told_in_text(array $patient): array
{
    $stay = (string) exchange('2401', admission($patient))->output->result->mdtrt_id;
    return ['mdtrt_id' => $stay] + told(exchange('2301', ['feedetail' => fees($patient, $stay)])->output->result);
}

function refusal(array $patient): array
{
    $request = admission($patient);
    unset($request['mdtrtinfo']['atddr_no']);
    $reply = client('inpatient')->Txn2401(['head' => head()] + $request);
    return [
        'infcode' => $reply->infcode, 'code' => $reply->code, 'retry' => $reply->retry, 'text' => utf8($reply->err_msg),
        'fields' => array_map(fn ($problem) => $problem->field, $reply->problem),
    ];
}

function fault(callable $call): array
{
    try {
        $call();
    } catch (SoapFault $fault) {
        return ['faultcode' => $fault->faultcode, 'text' => utf8($fault->faultstring), 'detail' => json_encode(shown($fault->detail), JSON_UNESCAPED_UNICODE)];
    }
    throw new RuntimeException('no fault');
}

[$a, $b] = $patients;
$wrong = ['login' => 'demo', 'password' => 'wrong'];
// the body element names the operation: an operation that the WSDL does not have
$unknown = new SoapClient(null, ['location' => "$base/soap/inpatient", 'uri' => 'urn:yibao:gateway:v1', 'encoding' => $charset,
    'soap_version' => $soap === '1.2' ? SOAP_1_2 : SOAP_1_1]);
echo json_encode([
    'typed' => typed($a),
    'string' => told_in_text($b),
    'refusal' => refusal($a),
    'faults' => [
        'password' => fault(fn () => client('exchange', $wrong)->Call(['infno' => '2401', 'request' => '<request/>'])),
        'operation' => fault(fn () => $unknown->__soapCall('Txn0000', [])),
    ],
], JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR), "\n";
